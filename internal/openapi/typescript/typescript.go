// Package typescript writes the types of an OpenAPI document for the TypeScript client. It
// writes those that the client names, and those that they refer to. It never fetches a
// document, and never writes a call.
package typescript

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// names are the schemas of the document that the client needs, and their names in TypeScript.
// A schema that one of them refers to must be here too.
var names = map[string]string{
	"MintInputBody": "MintRequest", "MintOutputBody": "Session", "RevokeInputBody": "RevokeRequest", "RevokeOutputBody": "Revoked",
	"InitInputBody": "InitRequest", "InitVersionInputBody": "InitVersionRequest", "InitVersionUploadInputBody": "InitVersionUploadRequest",
	"JobOutputBody": "Job", "SlotOutputBody": "UploadSlot", "PartsOutputBody": "Parts", "PartURL": "PartUrl", "StoredPart": "StoredPart",
	"Quote": "Quote", "PrepareVersionOutputBody": "VersionQuote", "ConfirmOutputBody": "Confirmed",
	"TransactionOutputBody": "Transaction", "Succeeded": "Succeeded", "Failed": "Failed", "FailedDetailsStruct": "FailedDetails", "Step": "Step",
	"Creator": "Creator", "Roles": "Roles", "StoredCreator": "StoredCreator",
	"Work": "Work", "Version": "Version", "OwnWorksOutputBody": "WorksPage", "PageInfoStruct": "PageInfo", "WorkOutputBody": "WorkByCode",
	"OwnVersionsOutputBody": "Versions", "OwnCreatorsOutputBody": "Creators", "DownloadOutputBody": "Download", "StatsOutputBody": "Stats",
	"Succeeded2": "WorkFinalEvent", "Failed2": "WorkFailedEvent", "CreditsLow": "CreditsLowEvent", "Tested2": "TestEvent",
}

type schema struct {
	Ref         string             `json:"$ref"`
	Type        any                `json:"type"` // a text, or a list of texts
	Description string             `json:"description"`
	Enum        []any              `json:"enum"`
	Properties  map[string]*schema `json:"properties"`
	Required    []string           `json:"required"`
	Items       *schema            `json:"items"`
	OneOf       []*schema          `json:"oneOf"`
}

type document struct {
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
	Webhooks map[string]struct {
		Post struct {
			RequestBody struct {
				Content map[string]struct {
					Schema *schema `json:"schema"`
				} `json:"content"`
			} `json:"requestBody"`
		} `json:"post"`
	} `json:"webhooks"`
}

// Render returns the TypeScript of a document. It fails when a schema that the client needs is
// missing, or has a form that it does not know.
func Render(text []byte) ([]byte, error) {
	var doc document
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("the document: %w", err)
	}
	var b bytes.Buffer
	b.WriteString("// Code generated from the server's OpenAPI document by internal/openapi/typescript; DO NOT EDIT.\n")
	for _, name := range slices.SortedFunc(maps.Keys(names), func(x, y string) int { return strings.Compare(names[x], names[y]) }) {
		s := doc.Components.Schemas[name]
		if s == nil {
			return nil, fmt.Errorf("the document has no schema %s", name)
		}
		body, err := s.object("")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&b, "\nexport interface %s %s\n", names[name], body)
	}
	b.WriteString("\n/** The body of a webhook. `event` tells its kind; a newer server may send further kinds. */\nexport type WebhookEvent =")
	for _, event := range slices.Sorted(maps.Keys(doc.Webhooks)) {
		body, err := doc.Webhooks[event].Post.RequestBody.Content["application/json"].Schema.text("")
		if err != nil {
			return nil, fmt.Errorf("the webhook %s: %w", event, err)
		}
		fmt.Fprintf(&b, "\n  | (%s & { event: '%s' })", body, event)
	}
	b.WriteString(";\n")
	return b.Bytes(), nil
}

// object returns the members of a schema.
func (s *schema) object(indent string) (string, error) {
	var b strings.Builder
	b.WriteString("{\n")
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		body, err := p.text(indent + "  ")
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		if p.Description != "" {
			fmt.Fprintf(&b, "%s  /** %s */\n", indent, strings.ReplaceAll(p.Description, "*/", "* /"))
		}
		mark := ""
		if !slices.Contains(s.Required, name) {
			mark = "?"
		}
		fmt.Fprintf(&b, "%s  %s%s: %s;\n", indent, name, mark, body)
	}
	b.WriteString(indent + "}")
	return b.String(), nil
}

// text returns the type of a schema.
func (s *schema) text(indent string) (string, error) {
	switch {
	case s == nil:
		return "", fmt.Errorf("it has no schema")
	case s.Ref != "":
		name := strings.TrimPrefix(s.Ref, "#/components/schemas/")
		if names[name] == "" {
			return "", fmt.Errorf("the list of names lacks %s", name)
		}
		return names[name], nil
	case len(s.OneOf) > 0:
		return union(s.OneOf, func(one *schema) (string, error) { return one.text(indent) })
	case len(s.Enum) > 0:
		return union(s.Enum, func(value any) (string, error) {
			if text, ok := value.(string); ok {
				return "'" + text + "'", nil
			}
			b, err := json.Marshal(value)
			return string(b), err
		})
	}
	if kinds, ok := s.Type.([]any); ok {
		return union(kinds, func(kind any) (string, error) { return s.kind(kind, indent) })
	}
	return s.kind(s.Type, indent)
}

// kind returns the type of a schema by one of its JSON types.
func (s *schema) kind(kind any, indent string) (string, error) {
	switch kind {
	case "string", "boolean", "null":
		return fmt.Sprint(kind), nil
	case "integer", "number":
		return "number", nil
	case "array":
		item, err := s.Items.text(indent)
		return item + "[]", err
	case "object":
		return s.object(indent)
	}
	return "", fmt.Errorf("the type %v is unknown", kind)
}

func union[T any](all []T, text func(T) (string, error)) (string, error) {
	parts := make([]string, 0, len(all))
	for _, one := range all {
		part, err := text(one)
		if err != nil {
			return "", err
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " | "), nil
}
