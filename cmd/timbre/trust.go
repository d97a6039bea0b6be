package main

import (
	"crypto/x509"
	"os"
	"strings"

	"timbre.example/proof/evidence"
)

// trustFlags name the parties that a verifier trusts.
type trustFlags struct {
	LogKey    []verifierKey `example:"log.pub" sep:"none" placeholder:"KEY" help:"The verifier key (NAME+HASH+BASE64) of a log that you trust, from another source than the evidence. It can be a file with the key, or with the log's key page. Can be repeated. Without this flag the command cannot prove that the log is the right one."`
	LogKeys   []keyPageFile `example:"keys.txt" name:"log-keys" sep:"none" placeholder:"FILE" help:"A key page of the log (URL/keys), from any source: its other keys are trusted too if its signatures lead to a key of --log-key. Can be repeated."`
	TSACA     string        `example:"roots.pem" name:"tsa-ca" type:"existingfile" placeholder:"FILE" help:"Root certificates of time-stamp authorities that you trust (PEM). Without this flag the signer of a time-stamp is not checked."`
	Witnesses string        `example:"policy.txt" name:"witness-policy" type:"existingfile" placeholder:"FILE" help:"The witnesses that you trust, and how many of them must have seen the block, as a policy file (c2sp.org/tlog-policy, at most 64 KiB). Its logs are trusted as those of --log-key."`
	Chains    []existing    `example:"chain.txt" name:"chain-checkpoint" sep:"none" placeholder:"FILE" help:"The authorities of a chain that you trust, from another source than the evidence: its first block, and one or more sets of authorities (at most 256 KiB). Can be repeated. Without this flag, evidence on a chain shows only that its parts match."`
	Headers   string        `example:"headers.txt" name:"bitcoin-headers" type:"existingfile" placeholder:"FILE" help:"Headers of Bitcoin blocks for OpenTimestamps proofs: lines of a height and 160 hexadecimal digits, as 'bitcoin-cli getblockheader HASH false' prints them (at most 8 MiB)."`
}

// options reads the files that the flags name.
func (f trustFlags) options() (opts evidence.Options, err error) {
	if opts.Keys, opts.KeyPages, err = given(f.LogKey); err != nil {
		return opts, wrongf("log-key", "%s", plainly(err))
	}
	for _, p := range f.LogKeys {
		opts.KeyPages = append(opts.KeyPages, p.KeyPage)
	}
	if f.TSACA != "" {
		roots, err := os.ReadFile(f.TSACA)
		if err != nil {
			return opts, wrongf("tsa-ca", "%s", plainly(err))
		}
		opts.Authorities = x509.NewCertPool()
		if !opts.Authorities.AppendCertsFromPEM(roots) {
			return opts, wrongf("tsa-ca", "this file contains no certificate in PEM form")
		}
	}
	if opts.Policy, err = readPolicy(f.Witnesses); err != nil {
		return opts, err
	}
	for _, path := range f.Chains {
		text, err := readAtMost(string(path), maxCheckpointFile)
		if err != nil {
			return opts, wrongf("chain-checkpoint", "%s", plainly(err))
		}
		sets, err := evidence.ParseChainCheckpoints(text)
		if err != nil {
			return opts, wrongf("chain-checkpoint", "%s", plainly(err))
		}
		opts.ChainCheckpoints = append(opts.ChainCheckpoints, sets...)
	}
	if f.Headers != "" {
		text, err := readAtMost(f.Headers, maxHeadersFile)
		if err != nil {
			return opts, wrongf("bitcoin-headers", "%s", plainly(err))
		}
		headers, err := parseHeaders(text)
		if err != nil {
			return opts, wrongf("bitcoin-headers", "%s", plainly(err))
		}
		opts.Blocks = headers.block
	}
	return opts, nil
}

// placeOfLog refuses a value of a flag that is neither an address of a log nor a folder.
func placeOfLog(flag, place string) error {
	if strings.HasPrefix(place, "https://") || strings.HasPrefix(place, "http://") {
		if err := new(logURL).UnmarshalText([]byte(place)); err != nil {
			return wrongf(flag, "%s", err)
		}
		return nil
	}
	if info, err := os.Stat(place); err != nil || !info.IsDir() {
		return wrongf(flag, "must be the address of a log (https://HOST/log/NAME) or a folder with a mirror of it")
	}
	return nil
}

// readPolicy reads the file of --witness-policy. It returns nil without a file.
func readPolicy(path string) (*evidence.Policy, error) {
	if path == "" {
		return nil, nil
	}
	text, err := readAtMost(path, maxPolicyFile)
	if err != nil {
		return nil, wrongf("witness-policy", "%s", plainly(err))
	}
	policy, err := evidence.ParsePolicy(text)
	if err != nil {
		return nil, wrongf("witness-policy", "%s", plainly(err))
	}
	return &policy, nil
}

// The largest files of --witness-policy, --chain-checkpoint and --bitcoin-headers, in bytes.
const maxPolicyFile, maxCheckpointFile, maxHeadersFile = 64 << 10, 256 << 10, 8 << 20
