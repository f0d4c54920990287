// Command yaml reads manifests the way kubectl and Argo CD do, and prints megabytes per second: the peer of the
// bench `manifest`.
//
//	cargo run --release -p gitops-benches --bin data -- 10000 | GOMAXPROCS=1 go run -C benches/peers/yaml .
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

func main() {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	best := time.Duration(1<<63 - 1)
	count := 0
	for range 5 {
		start := time.Now()
		count = len(read(input))
		best = min(best, time.Since(start))
	}
	fmt.Printf("sigs.k8s.io/yaml: %d objects, %.1f MB, %.1f ms, %.1f MB/s\n",
		count, float64(len(input))/1e6, best.Seconds()*1e3, float64(len(input))/1e6/best.Seconds())
}

func read(input []byte) []unstructured.Unstructured {
	var objects []unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(input), 4096)
	for {
		var object unstructured.Unstructured
		if err := decoder.Decode(&object); err == io.EOF {
			return objects
		} else if err != nil {
			panic(err)
		}
		objects = append(objects, object)
	}
}
