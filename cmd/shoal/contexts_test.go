package main

import "testing"

func TestWithoutAPlaceForContextsNoneIsInUse(t *testing.T) {
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "AppData", contextEnv} {
		t.Setenv(name, "")
	}
	if _, err := contextsPath(); err == nil {
		t.Skip("this system has one for everybody")
	}
	if ctx, err := contextInUse(); err != nil || len(ctx.Servers) > 0 {
		t.Errorf("got %v and the error %v", ctx, err)
	}
	t.Setenv(contextEnv, "asked")
	if _, err := contextInUse(); err == nil {
		t.Error("a context that was asked for, and cannot be there, was forgotten")
	}
}
