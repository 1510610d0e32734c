package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"trellis.example/auth"
	"trellis.example/gateway"
	"trellis.example/profiles"
)

// storeFlags are the settings that a command beside the gateway needs to find
// its store.
var storeFlags = []string{"data", "mongo"}

func newClient() *cobra.Command {
	c := &cobra.Command{
		Use:   "client",
		Short: "Register, list, rotate and disable the systems that may connect",
		Long: `Register, list, rotate and disable the systems that may connect.

The commands work beside a running gateway; what they change counts within a
second. Roles: ` + roleNames() + `.`,
	}
	c.AddCommand(newClientAdd(), newClientList(), newClientRotate(), newClientAgree(), newClientMLLP(), newClientDisable())
	return c
}

func roleNames() string {
	var names []string
	for _, r := range auth.Roles() {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}

// withRegistry runs f on the client registry of the store that the flags name.
func withRegistry(cmd *cobra.Command, f func(*auth.Registry) error) error {
	return withStorage(cmd, func(_ gateway.Config, s auth.Storage) error {
		// The role sandbox may be registered anywhere; only a gateway started
		// with --sandbox gives it a token.
		return f(auth.NewRegistry(s, true))
	})
}

// withStorage opens the store that the flags name beside a gateway, and closes
// it again.
func withStorage(cmd *cobra.Command, f func(gateway.Config, auth.Storage) error) error {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	s, err := gateway.OpenStore(cmd.Context(), cfg, false, nil)
	if err != nil {
		return err
	}
	return errors.Join(f(cfg, gateway.AuthStorage(s)), s.Close())
}

type credentialFlags struct {
	secretStdin bool
	jwks        string
	jwksURI     string
	algs        []string
}

func (c *credentialFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&c.secretStdin, "secret-stdin", false, "read the secret from standard input instead of making one")
	cmd.Flags().StringVar(&c.jwks, "jwks", "", "file with a JWK set of public keys: the client signs assertions")
	cmd.Flags().StringVar(&c.jwksURI, "jwks-uri", "", "https URL of such a JWK set")
	cmd.Flags().StringSliceVar(&c.algs, "alg", nil, "allow only these algorithms of assertions (RS384, ES384, RS512, PS256)")
}

func (c *credentialFlags) read(cmd *cobra.Command) (auth.Credentials, error) {
	out := auth.Credentials{JWKSURI: c.jwksURI, Algs: c.algs}
	if c.jwks != "" {
		b, err := os.ReadFile(c.jwks)
		if err != nil {
			return out, fmt.Errorf("read the JWK set: %w", err)
		}
		out.JWKS = b
	}
	if c.secretStdin {
		line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return out, errors.Join(errors.New("standard input holds no secret"), err)
		}
		out.Secret = auth.Secret(line)
	}
	return out, nil
}

func newClientAdd() *cobra.Command {
	var cr credentialFlags
	var role, org, scope, partner string
	var bind mllpFlags
	var agreed []string
	cmd := &cobra.Command{
		Use:   "add ID --role ROLE",
		Short: "Register a client; prints its id and secret once, as JSON",
		Example: `  trellis client add riverside --role gp-practice --org A81001
  trellis client add force --role police --org 17A --jwks force.jwks.json
  trellis client add lab --role hospital-discharge --org RXX01 --mllp-app PAS --mllp-facility RXX01`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			creds, err := cr.read(cmd)
			if err != nil {
				return err
			}
			n := auth.NewClient{ID: args[0], Role: auth.Role(role), Org: org, Scope: scope, Credentials: creds, Profiles: agreed}
			if err := heldProfiles(agreed); err != nil {
				return err
			}
			n.MLLP = bind.read(partner)
			return withRegistry(cmd, func(r *auth.Registry) error {
				c, secret, err := r.Add(cmd.Context(), n)
				if err != nil {
					return err
				}
				return printCredentials(cmd, c, secret)
			})
		},
	}
	addFlags(cmd.Flags(), storeFlags...)
	cr.add(cmd)
	f := cmd.Flags()
	f.StringVar(&role, "role", "", "what kind of partner it is (required): "+roleNames())
	f.StringVar(&org, "org", "", "ODS code of its organisation")
	f.StringVar(&scope, "scope", "", `SMART v2 scopes it may ask for, such as "system/*.cruds" (default: all its role allows)`)
	bind.add(f)
	f.StringSliceVar(&agreed, "profile", nil, "canonical of a profile that its documents must follow, as agreed (several allowed)")
	f.StringVar(&partner, "partner", "", "name of the partner agreement")
	_ = cmd.MarkFlagRequired("role")
	return cmd
}

// printCredentials prints what the client needs to connect. The secret is
// shown this once.
func printCredentials(cmd *cobra.Command, c auth.Client, secret auth.Secret) error {
	out := struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret,omitempty"`
	}{c.ID, secret.Reveal()}
	b, err := json.Marshal(out) //nolint:gosec // shown once to whoever registers the client
	if err == nil {
		_, err = fmt.Fprintln(cmd.OutOrStdout(), string(b))
	}
	return err
}

func newClientList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the clients", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRegistry(cmd, func(r *auth.Registry) error {
				all, err := r.List(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(all)
				}
				fmt.Fprintln(cmd.OutOrStdout(), auth.ClientHeader)
				for _, c := range all {
					fmt.Fprintln(cmd.OutOrStdout(), c)
				}
				return nil
			})
		},
	}
	addFlags(cmd.Flags(), storeFlags...)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newClientRotate() *cobra.Command {
	var cr credentialFlags
	cmd := &cobra.Command{
		Use: "rotate ID", Short: "Replace a client's credentials; the old ones and their tokens end within a second",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			creds, err := cr.read(cmd)
			if err != nil {
				return err
			}
			return withRegistry(cmd, func(r *auth.Registry) error {
				c, secret, err := r.Rotate(cmd.Context(), args[0], creds)
				if err != nil {
					return err
				}
				return printCredentials(cmd, c, secret)
			})
		},
	}
	addFlags(cmd.Flags(), storeFlags...)
	cr.add(cmd)
	return cmd
}

func newClientAgree() *cobra.Command {
	var agreed []string
	cmd := &cobra.Command{
		Use:   "agree ID [--profile URL]…",
		Short: "Set the profiles that a client's documents must follow, whatever they claim; none ends the agreement",
		Example: `  trellis client agree riverside --profile https://trellis.example/fhir/StructureDefinition/prsb-referral
  trellis client agree riverside`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := heldProfiles(agreed); err != nil {
				return err
			}
			return withRegistry(cmd, func(r *auth.Registry) error {
				c, err := r.Agree(cmd.Context(), args[0], agreed)
				if err != nil {
					return err
				}
				return printJSON(cmd.OutOrStdout(), struct {
					ID       string   `json:"client_id"`
					Profiles []string `json:"profiles"`
				}{c.ID, append([]string{}, c.Profiles...)})
			})
		},
	}
	addFlags(cmd.Flags(), storeFlags...)
	cmd.Flags().StringSliceVar(&agreed, "profile", nil, "canonical, with or without a version after | (several allowed)")
	return cmd
}

// heldProfiles refuses an agreement on profiles that nobody here can check.
func heldProfiles(list []string) error {
	if len(list) == 0 {
		return nil
	}
	v, err := profiles.New()
	if err != nil {
		return err
	}
	return knownProfiles(v, list)
}

func newClientDisable() *cobra.Command {
	var enable bool
	cmd := &cobra.Command{
		Use: "disable ID", Short: "Stop a client and every token it has, within a second", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withRegistry(cmd, func(r *auth.Registry) error {
				c, err := r.Disable(cmd.Context(), args[0], enable)
				if err == nil {
					fmt.Fprintln(cmd.OutOrStdout(), c)
				}
				return err
			})
		},
	}
	addFlags(cmd.Flags(), storeFlags...)
	cmd.Flags().BoolVar(&enable, "enable", false, "let a disabled client connect again")
	return cmd
}
