// The control plane of Kubernetes for tests, in one program: `control-plane etcd|kube-apiserver|kube-controller-manager
// FLAGS`. Everything is what the published modules contain; nothing is patched.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	name := os.Args[1]
	os.Args = append([]string{name}, os.Args[2:]...)
	commands := map[string]func() *cobra.Command{
		"etcd":                    etcdCommand,
		"kube-apiserver":          apiserver.NewAPIServerCommand,
		"kube-controller-manager": controllers.NewControllerManagerCommand,
	}
	command, known := commands[name]
	if !known {
		usage()
	}
	go endWithParent()
	os.Exit(cli.Run(command()))
}

// Ends when the other end of standard input is closed, if that is a pipe: whoever started this is gone.
func endWithParent() {
	stdin, err := os.Stdin.Stat()
	if err != nil || stdin.Mode()&os.ModeNamedPipe == 0 {
		return
	}
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func usage() {
	fmt.Fprintf(os.Stderr, "usage: %s etcd|kube-apiserver|kube-controller-manager FLAGS\n", filepath.Base(os.Args[0]))
	os.Exit(2)
}
