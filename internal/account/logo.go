package account

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/draw"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// The bounds of an uploaded logo.
const (
	MaxLogoBytes  = 1 << 20
	minLogoSide   = 16
	maxLogoSide   = 4096
	maxLogoPixels = 4 << 20
	maxLogoScans  = 64 // of a JPEG: each is decoded over the whole picture
)

// The largest size of a stored logo, in pixels. Larger pictures are made smaller.
const logoWidth, logoHeight = 880, 240

// Logo is the picture on an organization's certificates.
type Logo struct {
	PNG           []byte // encoded by Timbre, without transparency
	Width, Height int    // pixels
	SHA256        string // of PNG, in hex
}

// ReadLogo decodes an uploaded picture, PNG or JPEG of at most MaxLogoBytes, and encodes it
// again as PNG: nothing of the upload but its pixels is stored. A transparent picture gets a
// white ground, and a large one is made smaller. SVG and every other format is
// common.validation_failed.
func ReadLogo(upload []byte) (_ Logo, err error) {
	defer operation.Wrap(&err, "read a logo of %d bytes", len(upload))
	bad := func(rule, message string, args ...any) (Logo, error) {
		return Logo{}, fault.CommonValidationFailed([]fault.Field{{Field: "logo", Rule: rule, Message: fmt.Sprintf(message, args...)}})
	}
	if len(upload) > MaxLogoBytes {
		return bad("size", "Must have at most %d bytes.", MaxLogoBytes)
	}
	var config image.Config
	var decode func() (image.Image, error)
	switch {
	case bytes.HasPrefix(upload, []byte("\x89PNG\r\n\x1a\n")):
		config, err = png.DecodeConfig(bytes.NewReader(upload))
		decode = func() (image.Image, error) { return png.Decode(bytes.NewReader(upload)) }
	case bytes.HasPrefix(upload, []byte("\xff\xd8\xff")):
		if bytes.Count(upload, []byte{0xff, 0xda}) > maxLogoScans {
			return bad("format", "The JPEG has too many scans. Save it again, as PNG.")
		}
		config, err = jpeg.DecodeConfig(bytes.NewReader(upload))
		decode = func() (image.Image, error) { return jpeg.Decode(bytes.NewReader(upload)) }
	case bytes.Contains(bytes.ToLower(upload[:min(len(upload), 4096)]), []byte("<svg")):
		return bad("format", "SVG is refused, because it can contain scripts. Save the picture as PNG.")
	default:
		return bad("format", "Must be a PNG or a JPEG.")
	}
	if err != nil {
		return bad("format", "The picture is damaged.")
	}
	if config.Width < minLogoSide || config.Height < minLogoSide || config.Width > maxLogoSide || config.Height > maxLogoSide || config.Width*config.Height > maxLogoPixels {
		return bad("dimensions", "Must have %d to %d pixels on each side, and at most %d pixels.", minLogoSide, maxLogoSide, maxLogoPixels)
	}
	picture, err := decode()
	if err != nil {
		return bad("format", "The picture is damaged.")
	}
	scale := min(1, logoWidth/float64(config.Width), logoHeight/float64(config.Height))
	w, h := max(1, int(float64(config.Width)*scale)), max(1, int(float64(config.Height)*scale))
	flat := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(flat, flat.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.CatmullRom.Scale(flat, flat.Bounds(), picture, picture.Bounds(), draw.Over, nil)
	var out bytes.Buffer
	if err := png.Encode(&out, flat); err != nil {
		return Logo{}, err
	}
	return logo(out.Bytes(), w, h), nil
}

func logo(b []byte, w, h int) Logo {
	sum := sha256.Sum256(b)
	return Logo{PNG: b, Width: w, Height: h, SHA256: hex.EncodeToString(sum[:])}
}

// SetLogo stores the picture for certificates that are made from now on; nil removes it. See
// [ReadLogo] for the upload, and [ChangeOrganization] for the revision.
func SetLogo(ctx context.Context, db *store.DB, by audit.Actor, id string, revision int64, upload []byte) (_ Organization, err error) {
	defer operation.Wrap(&err, "set the logo of organization %s", id)
	var l Logo
	if upload != nil {
		if l, err = ReadLogo(upload); err != nil {
			return Organization{}, err
		}
	}
	var o Organization
	err = db.Tx(ctx, func(tx *store.Tx) error {
		before, err := lock(ctx, tx, id, revision)
		if err != nil {
			return err
		}
		o = before
		o.LogoSHA256 = l.SHA256
		if o.LogoSHA256 == before.LogoSHA256 {
			return nil
		}
		if upload == nil {
			err = tx.DeleteLogo(ctx, id)
		} else {
			sum, _ := hex.DecodeString(l.SHA256)
			err = tx.PutLogo(ctx, query.PutLogoParams{OrganizationID: id, Image: l.PNG, Hash: sum, Width: int64(l.Width), Height: int64(l.Height), CreatedAt: store.Micros(tx.Now)})
		}
		if err != nil {
			return err
		}
		return put(ctx, tx, by, before, &o)
	})
	return o, err
}

// GetLogo reads the logo of an organization; common.not_found without one.
func GetLogo(ctx context.Context, db *store.DB, id string) (_ Logo, err error) {
	defer operation.Wrap(&err, "read the logo of organization %s", id)
	row, err := db.Read().GetLogo(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return Logo{}, fault.CommonNotFound()
	} else if err != nil {
		return Logo{}, err
	}
	return logo(row.Image, int(row.Width), int(row.Height)), nil
}
