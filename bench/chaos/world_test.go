package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestASweepTakesTheFilesOfKilledDriversAlone(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	of := func(pid int) string {
		dir := filepath.Join(os.TempDir(), fmt.Sprintf("%s%d-1", prefix, pid))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	left, ours := of(gone.Process.Pid), of(os.Getpid())
	w := &world{dir: of(gone.Process.Pid + 1<<22)} // no process has so high an id
	w.end(true)
	sweep()
	for dir, want := range map[string]bool{left: false, ours: true, w.kept(): true, w.dir: false} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", filepath.Base(dir), err, want)
		}
	}
}
