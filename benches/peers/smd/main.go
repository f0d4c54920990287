// Server-side apply of real objects with structured-merge-diff, the peer of the bench `ssa`.
//
//	cd benches/peers/smd && GITOPS_CONFORMANCE_DIR=… go run . Pod
//
// Does what the bench does with the same object, measures it in the same way, and prints a line for each operation:
// name, nanoseconds, allocations and bytes, with tabs between. The bench runs it when GITOPS_BENCH_PEER is set.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"go.yaml.in/yaml/v2"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/merge"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

var objects = []struct{ name, file, typeName string }{
	{"Pod", "pod.yaml", "io.k8s.api.core.v1.Pod"},
	{"Node", "node.yaml", "io.k8s.api.core.v1.Node"},
	{"Endpoints", "endpoints.yaml", "io.k8s.api.core.v1.Endpoints"},
	{"Deployment", "k8s-deployment.yaml", "io.k8s.api.apps.v1.Deployment"},
	{"CRD", "prometheus-crd.yaml", "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1beta1.CustomResourceDefinition"},
}

type identity struct{}

func (identity) Convert(v *typed.TypedValue, _ fieldpath.APIVersion) (*typed.TypedValue, error) {
	return v, nil
}
func (identity) IsMissingVersionError(error) bool { return false }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// stringKeys makes what yaml.v2 reads into what encoding/json reads.
func stringKeys(value any) any {
	switch value := value.(type) {
	case map[any]any:
		out := map[string]any{}
		for key, item := range value {
			out[fmt.Sprint(key)] = stringKeys(item)
		}
		return out
	case []any:
		for at := range value {
			value[at] = stringKeys(value[at])
		}
	}
	return value
}

func main() {
	folder := filepath.Join(os.Getenv("GITOPS_CONFORMANCE_DIR"), "smd_bench_data")
	read := func(file string) []byte { return must(os.ReadFile(filepath.Join(folder, file))) }
	parser := must(typed.NewParser(typed.YAMLObject(read("k8s-schema.yaml"))))
	for _, object := range objects {
		if !slices.Contains(os.Args[1:], object.name) {
			continue
		}
		var tree any
		if err := yaml.Unmarshal(read(object.file), &tree); err != nil {
			panic(err)
		}
		measure(stringKeys(tree), parser.Type(object.typeName))
	}
}

func measure(tree any, of typed.ParseableType) {
	text := must(json.Marshal(tree))
	parse := func() *typed.TypedValue {
		var value any
		if err := json.Unmarshal(text, &value); err != nil {
			panic(err)
		}
		return must(of.FromUnstructured(value))
	}
	object := parse()
	var other map[string]any
	if err := json.Unmarshal(text, &other); err != nil {
		panic(err)
	}
	metadata := other["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	if labels == nil {
		labels = map[string]any{}
		metadata["labels"] = labels
	}
	labels["changed"] = "yes"
	changed := must(of.FromUnstructured(other))
	empty := must(of.FromUnstructured(map[string]any{}))
	updater := (&merge.UpdaterBuilder{Converter: identity{}, ReturnInputOnNoop: true}).BuildUpdater()
	apply := func(live *typed.TypedValue, managers fieldpath.ManagedFields, config *typed.TypedValue) (*typed.TypedValue, fieldpath.ManagedFields) {
		object, managers, err := updater.Apply(live, config, "v1", managers, "bench", false)
		if err != nil {
			panic(err)
		}
		return object, managers
	}
	live, managers := apply(empty, fieldpath.ManagedFields{}, object)
	set := must(object.ToFieldSet())
	fieldsV1 := must(set.ToJSON())
	cost("parse", func() { parse() })
	cost("field_set", func() { must(object.ToFieldSet()) })
	cost("fields_v1_write", func() { must(set.ToJSON()) })
	cost("fields_v1_read", func() {
		if err := (&fieldpath.Set{}).FromJSON(bytes.NewReader(fieldsV1)); err != nil {
			panic(err)
		}
	})
	cost("compare", func() { must(object.Compare(changed)) })
	cost("apply", func() { apply(empty, fieldpath.ManagedFields{}, object) })
	cost("apply_again", func() { apply(live, managers.Copy(), object) })
	cost("apply_changed", func() { apply(live, managers.Copy(), changed) })
}

func cost(name string, work func()) {
	const counted = 10
	work()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range counted {
		work()
	}
	runtime.ReadMemStats(&after)
	mallocs, size := (after.Mallocs-before.Mallocs)/counted, (after.TotalAlloc-before.TotalAlloc)/counted
	fmt.Printf("%s\t%d\t%d\t%d\n", name, fastest(work).Nanoseconds(), mallocs, size)
}

// fastest returns the time of one run in the fastest of many batches.
func fastest(work func()) time.Duration {
	timed := func(runs int) time.Duration {
		begin := time.Now()
		for range runs {
			work()
		}
		return time.Since(begin)
	}
	runs := 1
	for timed(runs) < 10*time.Millisecond {
		runs *= 2
	}
	best := timed(runs)
	for range 29 {
		best = min(best, timed(runs))
	}
	return best / time.Duration(runs)
}
