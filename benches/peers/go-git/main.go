// go-git, which Flux reads repositories with, as a peer of the bench `git`.
//
//	cd benches/peers/go-git && go run . REPOSITORY
//
// Reads every file of the branch `main` of a bare repository, beginning with opening it: from the objects, and by cloning
// and checking out, as Flux does. Prints for each: name, nanoseconds of the fastest of some runs, and bytes, with
// tabs between.
package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

func main() {
	for _, of := range []struct {
		name string
		read func(string, string) int
	}{{"objects", objects}, {"clone_checkout", checkout}} {
		best, bytes := time.Duration(1<<62), 0
		for begin, round := time.Now(), 0; round < 2 || time.Since(begin) < time.Second; round++ {
			folder := must(os.MkdirTemp("", "peer"))
			start := time.Now()
			bytes = of.read(os.Args[1], folder)
			best = min(best, time.Since(start))
			must(0, os.RemoveAll(folder))
		}
		fmt.Printf("%s\t%d\t%d\n", of.name, best.Nanoseconds(), bytes)
	}
}

func objects(path, _ string) int {
	repository := must(git.PlainOpen(path))
	head := must(repository.Reference(plumbing.NewBranchReferenceName("main"), true))
	files := must(must(repository.CommitObject(head.Hash())).Files())
	total := 0
	err := files.ForEach(func(file *object.File) error {
		reader := must(file.Reader())
		total += len(must(io.ReadAll(reader)))
		return reader.Close()
	})
	must(0, err)
	return total
}

func checkout(path, folder string) int {
	must(git.PlainClone(folder, false, &git.CloneOptions{URL: path, Depth: 1, SingleBranch: true}))
	total := 0
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.Name() == ".git":
			return filepath.SkipDir
		case entry.Type().IsRegular():
			total += len(must(os.ReadFile(path)))
		}
		return nil
	})
	must(0, err)
	return total
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
