package intake

import (
	"strings"
	"testing"
)

func TestLanguage(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"": "en", "*": "en", "en": "en", "fr": "fr", "FR": "fr", "fr-CA": "fr", "es-419": "es", "pt-PT": "pt", "pt-BR,pt;q=0.9,en;q=0.8": "pt", "de-AT, en;q=0.5": "de", "ja-JP": "ja", "ar-EG": "ar", "ar": "ar",
		"en;q=0.5, fr;q=0.9": "fr", "fr;q=0, de": "de", "fr;q=0": "en", "zh, ja;q=0.3": "ja", "zh": "en", "tlh": "en", "sv, fi;q=0.8, es;q=0.1": "es", "en-GB,fr": "en",
		"<script>": "en", "fr;q=x": "en", strings.Repeat("fr,", 400): "en", strings.Repeat("a-", 5000): "en", "\x00": "en",
	} {
		if got := Language(accept); got != want {
			t.Errorf("%.60q is %s, want %s", accept, got, want)
		}
	}
}
