package coordinator

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts of testdata print into them; review the difference")

// script is one file of testdata: scenes, each a claim and the steps that show it.
//
//	== a put answers after W
//	put k v w=2
//	> send n1 …
//	> …
//
// A line that begins with ">" is what the step above it printed. Lines that begin with "#" are comments.
type script struct {
	path   string
	head   []string // comments before the first scene
	scenes []*scriptScene
}

type scriptScene struct {
	claim string
	steps []*scriptStep
}

type scriptStep struct {
	before []string // comments and blank lines
	line   string
	want   []string
}

func readScript(t *testing.T, path string) *script {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{path: path}
	var held []string
	for i, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "== "):
			if len(s.scenes) == 0 {
				s.head = held
			} else if len(held) > 0 {
				t.Fatalf("%s:%d: a comment with no step after it", path, i)
			}
			s.scenes = append(s.scenes, &scriptScene{claim: line[3:]})
			held = nil
		case line == "" || strings.HasPrefix(line, "#"):
			if line != "" || len(s.scenes) == 0 {
				held = append(held, line)
			}
		case len(s.scenes) == 0:
			t.Fatalf("%s:%d: a step before the first scene", path, i+1)
		default:
			scene := s.scenes[len(s.scenes)-1]
			if !strings.HasPrefix(line, "> ") {
				scene.steps = append(scene.steps, &scriptStep{before: held, line: line})
				held = nil
			} else if n := len(scene.steps); n > 0 {
				scene.steps[n-1].want = append(scene.steps[n-1].want, line[2:])
			} else {
				t.Fatalf("%s:%d: output before the first step", path, i+1)
			}
		}
	}
	return s
}

// write puts the script back, as it reads now.
func (s *script) write(t *testing.T) {
	t.Helper()
	lines := append([]string(nil), s.head...)
	for i, scene := range s.scenes {
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, "== "+scene.claim)
		for _, step := range scene.steps {
			lines = append(append(lines, step.before...), step.line)
			for _, w := range step.want {
				lines = append(lines, "> "+w)
			}
		}
	}
	if err := os.WriteFile(s.path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			s := readScript(t, path)
			for _, scene := range s.scenes {
				t.Run(scene.claim, func(t *testing.T) {
					stage := newStage(t)
					for _, step := range scene.steps {
						got := stage.play(step.line)
						if *rewrite {
							step.want = got
						} else if strings.Join(got, "\n") != strings.Join(step.want, "\n") {
							t.Fatalf("%s, step %q:\n got\n  %s\nwant\n  %s", path, step.line,
								strings.Join(got, "\n  "), strings.Join(step.want, "\n  "))
						}
					}
				})
			}
			if *rewrite {
				s.write(t)
			}
		})
	}
}
