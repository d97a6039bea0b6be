// Package deploy checks deploy/ with the programs that read it: the chart with Helm's
// library and the types of Kubernetes, the Compose file with Compose's own loader, and the
// settings in both with timbre itself.
//
// It has only tests. It starts no cluster and no container.
package deploy
