package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// patch returns the files of the module at root that b changes, as b has them, by their path in the module.
func (b *bug) patch(root string) (map[string]string, error) {
	changed := map[string]string{}
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("planted: bug %s: %s", b.name, fmt.Sprintf(format, args...)))
	}
	for _, x := range b.edits {
		text, ok := changed[x.file]
		if !ok {
			read, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(x.file)))
			if err != nil {
				problem("cannot read what it changes: %v", err)
				continue
			}
			text = string(read)
		}
		// Both begin with a line's end, so that a text is met as whole lines only.
		switch n := strings.Count("\n"+text, "\n"+x.there); {
		case x.there == "" || x.there == x.instead:
			problem("an edit of %s changes nothing", x.file)
		case n != 1:
			problem("the text it replaces stands %d times in %s, not once: write it anew, or drop the bug with the rule\n%s", n, x.file, x.there)
		default:
			text = strings.Replace("\n"+text, "\n"+x.there, "\n"+x.instead, 1)[1:]
		}
		changed[x.file] = text
	}
	for name, text := range changed {
		if _, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution); err != nil {
			problem("%s no longer parses: %v", name, err)
		}
	}
	return changed, errors.Join(problems...)
}

// overlay writes what b changes below dir, and the file that has the go command take it for the module's own.
func (b *bug) overlay(root, dir string) (path string, err error) {
	changed, err := b.patch(root)
	if err != nil {
		return "", err
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = map[string]string{}
	for name, text := range changed {
		to := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		overlay.Replace[filepath.Join(root, filepath.FromSlash(name))] = to
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("planted: cannot write bug %s: %w", b.name, err)
		}
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return "", fmt.Errorf("planted: bug %s: %w", b.name, err)
	}
	path = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, list, 0o600); err != nil {
		return "", fmt.Errorf("planted: cannot write bug %s: %w", b.name, err)
	}
	return path, nil
}
