// Server-side apply of real objects with structured-merge-diff, the peer of the bench `ssa`.
//
//	cd benches/peers/smd && GITOPS_CONFORMANCE_DIR=… go run .
//
// Prints the lines of `cargo bench -p gitops-benches --bench ssa`, measured on the same files.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

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
		var tree any
		if err := yaml.Unmarshal(read(object.file), &tree); err != nil {
			panic(err)
		}
		measure(object.name, stringKeys(tree), parser.Type(object.typeName))
	}
}

func measure(name string, tree any, of typed.ParseableType) {
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
	cost(name+"/parse", func() { parse() })
	cost(name+"/field_set", func() { must(object.ToFieldSet()) })
	cost(name+"/compare", func() { must(object.Compare(changed)) })
	cost(name+"/apply", func() { apply(empty, fieldpath.ManagedFields{}, object) })
	live, managers := apply(empty, fieldpath.ManagedFields{}, object)
	cost(name+"/apply_again", func() { apply(live, managers.Copy(), object) })
	cost(name+"/apply_changed", func() { apply(live, managers.Copy(), changed) })
}

func cost(name string, work func()) {
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			work()
		}
	})
	fmt.Printf("ssa/%s\t%d ns %d allocations %d bytes\n", name, result.NsPerOp(), result.AllocsPerOp(), result.AllocedBytesPerOp())
}
