package limit

import "testing"

// FuzzRate: an accepted rate is within its bounds. Written and read again, it is the
// same.
func FuzzRate(f *testing.F) {
	for _, s := range []string{"300/1m,burst=100", "off", "1/1s", "1000000/1h,burst=1", "5/90s", "5/1m0s,burst=", "+5/1m", "5/0x1s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var r, again Rate
		if r.UnmarshalText([]byte(text)) != nil {
			return
		}
		written, err := r.MarshalText()
		if err == nil {
			err = again.UnmarshalText(written)
		}
		if err != nil || again != r {
			t.Errorf("%q is read as %+v, and its form %q as %+v: %v", text, r, written, again, err)
		}
		if !r.Off() && (r.every() <= 0 || r.Count > maxCount || r.Burst > maxCount) {
			t.Errorf("%q is read as %+v", text, r)
		}
	})
}
