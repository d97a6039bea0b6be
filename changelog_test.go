package timbre_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// CHANGELOG.md begins with the changes since the last release. Each release has its version
// and its date, the newest first. The parts of a release have fixed names; only the first
// release is described by subject.
func TestChangelog(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range changelogFaults(string(text)) {
		t.Error(wrong)
	}
	good := "# Changelog\n\n## Unreleased\n\n### Fixed\n\n## 1.1.0 · 2027-02-01\n\n### Added\n\n### Upgrading\n\n## 1.0.0 · 2027-01-01\n\n### Songs\n"
	if wrong := changelogFaults(good); len(wrong) > 0 {
		t.Errorf("a good changelog: %q", wrong)
	}
	for _, bad := range []string{
		strings.Replace(good, "## Unreleased", "## Next", 1),
		strings.Replace(good, "### Fixed", "### Songs", 1),
		strings.Replace(good, "1.1.0 · 2027-02-01", "1.1.0", 1),
		strings.Replace(good, "1.1.0 · 2027-02-01", "0.9.0 · 2027-02-01", 1),
		strings.Replace(good, "1.1.0 · 2027-02-01", "1.1.0 · 2026-02-31", 1),
	} {
		if len(changelogFaults(bad)) == 0 {
			t.Errorf("accepted:\n%s", bad)
		}
	}
}

func changelogFaults(text string) (wrong []string) {
	parts := []string{"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Upgrading"}
	release := regexp.MustCompile(`^(\d+)\.(\d+)\.(\d+) · (\d{4}-\d{2}-\d{2})$`)
	sections := regexp.MustCompile(`(?m)^## `).Split(text, -1)[1:]
	var last []string // of the release above
	for i, section := range sections {
		title, body, _ := strings.Cut(section, "\n")
		if i == 0 {
			if title != "Unreleased" {
				wrong = append(wrong, "the first heading is "+title+", not Unreleased")
			}
		} else {
			m := release.FindStringSubmatch(title)
			if m == nil {
				wrong = append(wrong, "a release has a heading such as 1.2.0 · 2027-01-31, not "+title)
				continue
			}
			if _, err := time.Parse(time.DateOnly, m[4]); err != nil {
				wrong = append(wrong, title+": "+err.Error())
			}
			number := []string{}
			for _, digits := range m[1:4] {
				number = append(number, strings.Repeat("0", max(0, 6-len(digits)))+digits)
			}
			if last != nil && slices.Compare(number, last) >= 0 {
				wrong = append(wrong, title+" stands below an older release")
			}
			last = number
		}
		if i == len(sections)-1 {
			break // the first release
		}
		for _, part := range regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(body, -1) {
			if !slices.Contains(parts, part[1]) {
				wrong = append(wrong, title+" has a part "+part[1]+"; the parts are "+strings.Join(parts, ", "))
			}
		}
	}
	return wrong
}
