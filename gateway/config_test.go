package gateway_test

import (
	"strings"
	"testing"

	"trellis.example/gateway"
)

func TestConfig(t *testing.T) {
	tests := []struct {
		name   string
		change func(*gateway.Config)
		want   string // in the error; "" for none
	}{
		{"defaults", noChange, ""},
		{"every address", func(c *gateway.Config) { c.Listen = "0.0.0.0:8080" }, "public-url"},
		{"every address of IPv6", func(c *gateway.Config) { c.Listen = "[::]:8080" }, "public-url"},
		{"a port alone", func(c *gateway.Config) { c.Listen = ":8080" }, "public-url"},
		{"every address by a name", func(c *gateway.Config) { c.Listen, c.PublicURL = "0.0.0.0:8080", "https://referrals.example" }, ""},
		{"one address", func(c *gateway.Config) { c.Listen = "192.0.2.1:8080" }, ""},
		{"service", func(c *gateway.Config) { c.Service = "Z9D01" }, ""},
		{"service in small letters", func(c *gateway.Config) { c.Service = "z9d01" }, "service: want an ODS code"},
		{"service with a space", func(c *gateway.Config) { c.Service = "Z9D 01" }, "service: want an ODS code"},
	}
	for _, tt := range tests {
		c := gateway.Defaults()
		tt.change(&c)
		err := c.Validate()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}
