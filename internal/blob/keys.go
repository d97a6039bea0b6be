package blob

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/minio/minio-go/v7"

	"timbre.example/internal/operation"
)

// Keys calls f with the key of every object whose key begins with prefix and a slash. It
// is for commands; requests to a server never list objects.
func (d *Disk) Keys(ctx context.Context, prefix string, f func(key string) error) (err error) {
	defer operation.Wrap(&err, "blob: list the objects below %s", prefix)
	if err := validKey(prefix); err != nil {
		return err
	}
	err = fs.WalkDir(d.root.FS(), path.Join(objectsDir, prefix), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return errors.Join(err, ctx.Err())
		}
		key, ok := strings.CutSuffix(strings.TrimPrefix(name, objectsDir+"/"), suffix)
		if !ok || validKey(key) != nil { // a file of another program
			return nil
		}
		return f(key)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Keys calls f with the key of every object whose key begins with prefix and a slash. It
// needs the permission s3:ListBucket.
func (s *S3) Keys(ctx context.Context, prefix string, f func(key string) error) (err error) {
	defer operation.Wrap(&err, "blob: list the objects below %s", prefix)
	if err := validKey(prefix); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // stops the listing
	for object := range s.client.Client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + prefix + "/", Recursive: true}) {
		if object.Err != nil {
			return failed("list", object.Err)
		}
		key, ok := strings.CutSuffix(strings.TrimPrefix(object.Key, s.prefix), suffix)
		if !ok || validKey(key) != nil { // an object of another program
			continue
		}
		if err := f(key); err != nil {
			return err
		}
	}
	return ctx.Err()
}
