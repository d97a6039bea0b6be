package certificate

import "fmt"

// Logo is a picture without transparency, row after row from the top. Each pixel has 3 bytes:
// red, green and blue, in sRGB.
type Logo struct {
	Width, Height int
	Pixels        []byte
}

// MaxLogo is the largest width and height of a logo, in pixels.
const MaxLogo = 1200

func (l *Logo) valid() error {
	if l != nil && (l.Width < 1 || l.Height < 1 || l.Width > MaxLogo || l.Height > MaxLogo || len(l.Pixels) != 3*l.Width*l.Height) {
		return fmt.Errorf("certificate: a logo of %d × %d pixels with %d bytes", l.Width, l.Height, len(l.Pixels))
	}
	return nil
}

// The room for a logo, and the space beside it, in points.
const logoWidth, logoHeight, logoGap = 110.0, 30.0, 10.0

// size returns the drawn size of a logo: as large as its room, and at most one point for each
// pixel.
func (l *Logo) size() (w, h float64) {
	scale := min(logoWidth/float64(l.Width), logoHeight/float64(l.Height), 1)
	return float64(l.Width) * scale, float64(l.Height) * scale
}
