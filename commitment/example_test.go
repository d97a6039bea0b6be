package commitment_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"timbre.example/proof/commitment"
)

func ExampleCompute() {
	media, size, err := commitment.HashMedia(strings.NewReader("test vector media"))
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := commitment.Compute("Test Vector Song", []commitment.Creator{{
		FullName: "Test User",
		Email:    "test@example.com",
		Roles:    []commitment.Role{commitment.Author},
	}}, media)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(size, "bytes")
	fmt.Println(c.Hash)
	// Output:
	// 17 bytes
	// 45fd0daa464f20cea2b248a5aa95b61dfc8a3673356315d9205b7a3e777068f5
}

// A proof shows that one creator is part of an anchored commitment, without revealing the other creators.
func ExampleVerifyProof() {
	media, _, err := commitment.HashMedia(strings.NewReader("media"))
	if err != nil {
		fmt.Println(err)
		return
	}
	alpha := commitment.Creator{FullName: "Alpha", Email: "alpha@example.com", Roles: []commitment.Role{commitment.Author}}
	beta := commitment.Creator{FullName: "Beta", Email: "beta@example.com", Roles: []commitment.Role{commitment.Composer}}
	anchored, err := commitment.Compute("A Song", []commitment.Creator{alpha, beta}, media)
	if err != nil {
		fmt.Println(err)
		return
	}
	proof, err := anchored.Proof(1)
	if err != nil {
		fmt.Println(err)
		return
	}

	fmt.Println("beta:", commitment.VerifyProof(commitment.Leaf(beta), proof, anchored.Root))
	beta.FullName = "Gamma"
	fmt.Println("gamma:", commitment.VerifyProof(commitment.Leaf(beta), proof, anchored.Root))
	fmt.Println("anchored:", commitment.Seal("A Song", media, anchored.Root) == anchored.Hash)
	// Output:
	// beta: true
	// gamma: false
	// anchored: true
}

func ExampleWork_Validate() {
	var work commitment.Work
	err := json.Unmarshal([]byte(`{"title":"A Song","creators":[{"full_name":"Alpha","email":"","roles":["author"]}]}`), &work)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(work.Validate())
	// Output: commitment: creators[0].email is empty
}
