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
			format, err := formatOf(c)
			if err != nil {
				return err
			}
			doc := struct {
				Version  string `json:"version"`
				Protocol int    `json:"protocol"`
				Go       string `json:"go"`
				OS       string `json:"os"`
				Arch     string `json:"arch"`
			}{version, wire.ProtocolVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH}
			if format == formatJSON || format == formatJSONLines {
				return t.document(doc, format)
			}
			return t.write(fmt.Appendf(nil, "shoal %s, protocol %d, %s %s/%s\n", doc.Version, doc.Protocol, doc.Go, doc.OS, doc.Arch))
		},
	}
}
