// The diff of gitops-engine (Argo CD), the peer of the bench `diff`.
//
//	cd benches/peers/gitops-engine && GITOPS_CONFORMANCE_DIR=… go run .
//
// Diffs the recorded pairs that the bench compares, each decoded already, with the options that Argo CD starts with,
// measures it in the same way, and prints one line: name, nanoseconds, allocations and bytes for one pass over all
// pairs, the number of pairs, how many of them are called modified, and how many fail, with tabs between. The bench
// runs it when GITOPS_BENCH_PEER is set.
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type pair struct{ desired, live *unstructured.Unstructured }

func main() {
	pairs := read(filepath.Join(os.Getenv("GITOPS_CONFORMANCE_DIR"), "k8s", "roundtrip.json"))
	rounds := 10
	if len(os.Args) > 1 {
		var err error
		if rounds, err = strconv.Atoi(os.Args[1]); err != nil {
			panic(err)
		}
	}
	modified, failed := 0, 0
	for _, pair := range pairs {
		switch result, err := compare(pair); {
		case err != nil:
			failed++
		case result.Modified:
			modified++
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, pair := range pairs {
		compare(pair)
	}
	runtime.ReadMemStats(&after)
	fmt.Printf("diff\t%d\t%d\t%d\t%d\t%d\t%d\n", fastest(pairs, rounds).Nanoseconds(),
		after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc, len(pairs), modified, failed)
}

func compare(pair pair) (*diff.DiffResult, error) {
	return diff.Diff(pair.desired, pair.live, diff.WithLogr(logr.Discard()))
}

// read returns what was sent and what the server made of it, of every manifest it took.
func read(file string) (pairs []pair) {
	text, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	var cases []struct{ Desired, Live json.RawMessage }
	if err := json.Unmarshal(text, &cases); err != nil {
		panic(err)
	}
	for _, recorded := range cases {
		desired, live := &unstructured.Unstructured{}, &unstructured.Unstructured{}
		if live.UnmarshalJSON(recorded.Live) != nil {
			continue
		}
		if err := desired.UnmarshalJSON(recorded.Desired); err != nil {
			panic(err)
		}
		pairs = append(pairs, pair{desired, live})
	}
	return pairs
}

// fastest returns the sum of the fastest comparisons of each pair.
func fastest(pairs []pair, rounds int) (sum time.Duration) {
	for _, pair := range pairs {
		best := time.Duration(math.MaxInt64)
		for range rounds {
			begin := time.Now()
			compare(pair)
			best = min(best, time.Since(begin))
		}
		sum += best
	}
	return sum
}
