package main

import (
	"fmt"
	"runtime"

	"github.com/shoalcache/shoal/wire"
	"github.com/urfave/cli/v2"
)

func (t *tool) versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print version, Go and platform", Flags: []cli.Flag{outputFlag()},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			look, err := styleOf(c)
			if err != nil {
				return err
			}
			return t.present(look, &build{version, wire.ProtocolVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH})
		},
	}
}

// build is what this program is, in JSON.
type build struct {
	Version  string `json:"version"`
	Protocol int    `json:"protocol"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func (b *build) show(t *tool) error {
	return t.write(fmt.Appendf(nil, "shoal %s, protocol %d, %s %s/%s\n", b.Version, b.Protocol, b.Go, b.OS, b.Arch))
}
