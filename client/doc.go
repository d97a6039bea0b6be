// Package client calls a Timbre server from a program in Go: it registers songs with an API key of an organization, reads
// works, mints sessions for the widget, and verifies webhooks.
//
//	c, err := client.New(client.Config{URL: "https://ats.example", APIKey: os.Getenv("ATS_API_KEY")})
//	…
//	done, err := c.RegisterFile(ctx, "night-train.wav", client.Song{
//		Title:   "Night Train",
//		Network: client.Testnet,
//		Creators: []client.Creator{{
//			FullName: "Ada Example", Email: "ada@songs.example", Roles: []client.Role{client.Author, client.Composer},
//		}},
//	}, client.Options{})
//
// Every call takes a context, and repeats itself after failures that pass: see [Config.Wait]. A refusal of the server
// is an [*Error] with a [Code].
//
// The package uses the standard library alone. It never writes a log, never stores anything, and never shows a key or an
// access code in an error.
package client
