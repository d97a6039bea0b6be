package main

import (
	"math"
	"os"
	"testing"
)

// docs/capacity.md has the tables that its measurement gives.
func TestPageIsCurrent(t *testing.T) {
	m, err := read("measured.json")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../../docs/capacity.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := placed(string(page), tables(m))
	if err != nil {
		t.Fatal(err)
	}
	if want != string(page) {
		t.Error("docs/capacity.md is not that of measured.json: go run ./internal/bench/capacity -write docs/capacity.md")
	}
}

// costs are round numbers, by which a plant can be computed by hand.
func costs() Costs {
	return Costs{ServerMS: 5, DatabaseMS: 4, CertificateMS: 8, CertificateDBMS: 1, CertificatesPerWorker: 25, Commits: 5, WAL: 10_000, Stored: 5_000, CertificateBytes: 40_000, PageMS: 1, PageDBMS: 1}
}

// A flat day of one registration a second on a plant with room is final at the next block,
// and every registration gets its certificate.
func TestQuietDay(t *testing.T) {
	load := Load{PerDay: 86400, Peak: 1, Skew: 1}
	d := simulate(costs(), load, Plant{Partitions: 1, ATS: 1, Workers: 1, Database: 1, Commits: 1000, BlockSeconds: 6, Anchoring: 0.5}, 7)
	if math.Abs(d.Final/load.PerDay-1) > 0.02 || d.P50 < 3 || d.P50 > 4 || d.Longest != 6 || d.Certificates > 20 || d.CertificateHours > 0.01 {
		t.Errorf("%+v", d)
	}
	if again := simulate(costs(), load, Plant{Partitions: 1, ATS: 1, Workers: 1, Database: 1, Commits: 1000, BlockSeconds: 6, Anchoring: 0.5}, 7); again.Final != d.Final || again.Backlog != d.Backlog {
		t.Error("the same seed gives another day")
	}
}

// Blocks of five entries each six seconds take 72,000 of 86,400 registrations a day, and the
// rest on the day after.
func TestFullChain(t *testing.T) {
	load := Load{PerDay: 86400, Peak: 1, Skew: 1}
	plant := Plant{Partitions: 1, ATS: 1, Workers: 1, Database: 1, Commits: 1000, BlockSeconds: 6, BlockEntries: 5, Anchoring: 0.5}
	d := simulate(costs(), load, plant, 7)
	if d.Parts[0].Name != "blocks of the chain" || math.Abs(d.Parts[0].Capacity-5.0/6) > 1e-9 {
		t.Errorf("%+v", d.Parts)
	}
	if math.Abs(d.Backlog-14400) > 1000 || math.Abs(d.Longest-14400*6/5) > 1500 {
		t.Errorf("backlog %.0f, longest %.0f s; want 14,400 and 17,280", d.Backlog, d.Longest)
	}
	// Two partitions take it, unless one of them has all organizations.
	plant.Partitions = 2
	if d := simulate(costs(), load, plant, 7); d.Backlog > 100 {
		t.Errorf("two partitions: %+v", d)
	}
	load.Skew = 2
	if d := simulate(costs(), load, plant, 7); math.Abs(d.Backlog-14400) > 1000 {
		t.Errorf("all in one of two partitions: backlog %.0f", d.Backlog)
	}
}

// Each limit is what its part can do, and more of it raises the limit and no other.
func TestParts(t *testing.T) {
	load := Load{PerDay: 8_640_000, Peak: 2, Skew: 1, Pages: 2, MiB: 1}
	plant := Plant{Partitions: 1, ATS: 4, Workers: 2, Database: 2, Commits: 500, BlockSeconds: 1, BlockEntries: 1000, Anchoring: 0.5}
	of := func(p Plant) map[string]float64 {
		out := map[string]float64{}
		for _, part := range parts(costs(), load, p) {
			out[part.Name] = part.Capacity
			if math.Abs(part.Peak/part.Mean-2) > 0.01 {
				t.Errorf("%+v", part)
			}
		}
		return out
	}
	base := of(plant)
	for name, want := range map[string]float64{
		"ats and organizations": 4 * full * 1000 / (5*(1-anchoring) + 2), "worker: anchoring": 0.5 * full * 1000 / (5 * anchoring), "workers: certificates": 50,
		"Postgres: processors": 2 * full * 1000 / (5 + 2), "Postgres: commits": 100, "blocks of the chain": 1000,
	} {
		if math.Abs(base[name]-want) > 1e-9 {
			t.Errorf("%s: %g, want %g", name, base[name], want)
		}
	}
	plant.Workers = 20
	if more := of(plant); more["worker: anchoring"] != base["worker: anchoring"] || more["workers: certificates"] != 500 {
		t.Errorf("with more workers: %v", more)
	}
	plant.Workers, plant.Replica, plant.CDN = 2, true, 1
	better := of(plant)
	for name := range base {
		faster := name == "ats and organizations" || name == "Postgres: processors"
		if better[name] > base[name] != faster {
			t.Errorf("%s: %g with a replica and a CDN, %g without", name, better[name], base[name])
		}
	}
}
