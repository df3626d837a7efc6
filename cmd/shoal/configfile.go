package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"
)

// configMax is the largest config file that is read, in bytes.
const configMax = 1 << 20

// entry is what a config file says of one setting.
type entry struct {
	values []string
	line   int
}

// readConfig reads a file of "name: value" lines. It walks the document instead of decoding into a struct, so that every
// complaint can name the line, and the key that was probably meant. Values are kept as text: what they
// mean is the same as on the command line. Errors are *usageError, but where ctx ended.
func readConfig(ctx context.Context, path string, list []setting) (map[string]entry, error) {
	b, err := unlessInterrupted(ctx, "--config: reading "+path, func() ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, usage("--config: %v", err)
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, configMax+1))
		if err != nil {
			return nil, usage("--config: %v", err)
		}
		return b, nil
	})
	switch {
	case err != nil:
		return nil, err
	case len(b) > configMax:
		return nil, usage("--config: %s is larger than %s: is it the right file?", path, formatSize(configMax))
	}
	entries, err := parseConfig(b, list)
	if err != nil {
		return nil, usage("%s%v", path, err)
	}
	return entries, nil
}

// parseConfig returns errors that begin behind the file's name: with ":", and the line if one is known.
func parseConfig(b []byte, list []setting) (map[string]entry, error) {
	var doc, second yaml.Node
	documents := yaml.NewDecoder(bytes.NewReader(b))
	if err := documents.Decode(&doc); err != nil && err != io.EOF {
		return nil, fmt.Errorf(": %w", err)
	}
	if err := documents.Decode(&second); err == nil {
		return nil, fmt.Errorf(":%d: a second document begins here: put all of it into one, without a line of ---", second.Line)
	} else if err != io.EOF {
		return nil, fmt.Errorf(": %w", err)
	}
	entries := map[string]entry{}
	if len(doc.Content) == 0 {
		return entries, nil // empty, or nothing but comments
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf(":%d: write one \"name: value\" per line", root.Line)
	}
	known := map[string]setting{}
	var names []string
	for _, s := range list {
		known[s.name] = s
		names = append(names, s.name)
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		s, ok := known[key.Value]
		if !ok {
			return nil, fmt.Errorf(":%d: %w", key.Line, unknown("key", key.Value, names))
		}
		if before, ok := entries[key.Value]; ok {
			return nil, fmt.Errorf(":%d: %s was given before, in line %d", key.Line, key.Value, before.line)
		}
		values, err := scalars(value, s.many)
		if err != nil {
			return nil, fmt.Errorf(":%d: %s: %w", key.Line, key.Value, err)
		}
		entries[key.Value] = entry{values: values, line: key.Line}
	}
	return entries, nil
}

// scalars are the texts of one value, or of a list where that is allowed.
func scalars(n *yaml.Node, many bool) ([]string, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		return []string{n.Value}, nil
	case n.Kind == yaml.SequenceNode && many:
		var values []string
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
				return nil, errors.New("use a list of plain values")
			}
			values = append(values, item.Value)
		}
		return values, nil
	case many:
		return nil, errors.New("use one value, or a list of them")
	}
	return nil, errors.New("use one plain value")
}
