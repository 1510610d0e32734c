package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"trellis.example/auth"
	"trellis.example/gateway"
)

func newKey() *cobra.Command {
	c := &cobra.Command{
		Use:   "key",
		Short: "List and rotate the keys that sign access tokens",
		Long: `List and rotate the keys that sign access tokens. They rotate by age on their
own; rotate by hand when a key may have leaked. Private halves stay in the data
folder of the gateway that made them.`,
	}
	c.AddCommand(newKeyList(), newKeyRotate())
	return c
}

// withKeys runs f on the keys of the gateway whose data folder the flags name.
func withKeys(cmd *cobra.Command, f func(*auth.Keys) error) error {
	return withStorage(cmd, func(cfg gateway.Config, s auth.Storage) error {
		return f(auth.OpenKeys(filepath.Join(cfg.Data, "keys"), s, time.Hour))
	})
}

func newKeyList() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the signing keys of all gateways of the store", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withKeys(cmd, func(k *auth.Keys) error {
				all, err := k.List(cmd.Context())
				if err != nil {
					return err
				}
				for _, i := range all {
					b, err := json.Marshal(i)
					if err != nil {
						return err
					}
					fmt.Fprintln(cmd.OutOrStdout(), string(b))
				}
				return nil
			})
		},
	}
	addFlags(cmd.Flags(), storeFlags...)
	return cmd
}

func newKeyRotate() *cobra.Command {
	var now bool
	cmd := &cobra.Command{
		Use: "rotate", Short: "Make the next signing key", Args: cobra.NoArgs,
		Long: `Make the next signing key. It is published ten minutes before it signs, and the
old one is recognised until its last token has expired. --now makes it sign at
once and ends the old one and its tokens.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withKeys(cmd, func(k *auth.Keys) error { return k.Rotate(cmd.Context(), now) })
		},
	}
	addFlags(cmd.Flags(), storeFlags...)
	cmd.Flags().BoolVar(&now, "now", false, "the old key has leaked: end it and its tokens at once")
	return cmd
}
