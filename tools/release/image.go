package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user is the user id of the process in the image. It has no name, and the image has no root user.
const user = 65532

// owners has the directories of the image that the server writes to, and their owner.
var owners = map[string]int{"data/": user, "tmp/": user}

// image writes an OCI image layout for all Linux platforms, as one tar. The image has
// only the binary and its notices: no shell, no library, no certificates.
func (r *release) image(all []built) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, b := range all {
		var layer bytes.Buffer
		err := r.tar(&layer, []packed{
			{"data/", nil, 0o700}, {"tmp/", nil, 0o700},
			{"usr/", nil, 0o755}, {"usr/bin/", nil, 0o755}, {"usr/bin/timbre", b.binary, 0o755},
			{"usr/share/", nil, 0o755}, {"usr/share/doc/", nil, 0o755}, {"usr/share/doc/NOTICES.txt", b.notices, 0o644},
		})
		if err != nil {
			return err
		}
		content, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(layer.Bytes())), nil
		}, tarball.WithMediaType(types.OCILayer))
		if err != nil {
			return err
		}
		img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
		if img, err = mutate.AppendLayers(img, content); err != nil {
			return err
		}
		config, err := img.ConfigFile()
		if err != nil {
			return err
		}
		config = config.DeepCopy()
		config.OS, config.Architecture, config.Created = b.os, b.arch, v1.Time{Time: r.time}
		for i := range config.History {
			config.History[i].Created = config.Created
		}
		config.Config = v1.Config{
			User: "65532:65532", WorkingDir: "/", Entrypoint: []string{"/usr/bin/timbre"}, Cmd: []string{"serve"},
			// The server must be reachable from outside of the container.
			Env:          []string{"TIMBRE_LISTEN=0.0.0.0:8080", "TMPDIR=/tmp"},
			ExposedPorts: map[string]struct{}{"8080/tcp": {}},
			Volumes:      map[string]struct{}{"/data": {}},
			// As in the Dockerfile. The specification of OCI has no health check; Docker and
			// Podman read this one.
			Healthcheck: &v1.HealthConfig{
				Test: []string{"CMD", "/usr/bin/timbre", "health"}, Interval: 10 * time.Second, Timeout: 6 * time.Second, StartPeriod: time.Minute, Retries: 3,
			},
			Labels: map[string]string{
				"org.opencontainers.image.title": "Timbre", "org.opencontainers.image.version": r.version,
				"org.opencontainers.image.licenses": "Apache-2.0",
			},
		}
		if img, err = mutate.ConfigFile(img, config); err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: b.os, Architecture: b.arch},
		}})
	}
	dir, err := os.MkdirTemp("", "timbre-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	err = path.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "timbre:" + r.version}))
	if err != nil {
		return err
	}
	var files []packed
	err = filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		inside := filepath.ToSlash(strings.TrimPrefix(name, dir+string(filepath.Separator)))
		if d.IsDir() {
			files = append(files, packed{inside + "/", nil, 0o755})
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		files = append(files, packed{inside, content, 0o644})
		return nil
	})
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := r.tar(&out, files); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, "timbre_"+r.version+"_image.oci.tar"), out.Bytes(), 0o644)
}
