package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"trellis.example/auth"
	"trellis.example/gateway"
	"trellis.example/gateway/archive"
	"trellis.example/gateway/store"
)

// indexFlags are the settings on which the index of a store depends, beside
// those that find it.
var indexFlags = append([]string{"public-url", "listen", "tls-cert", "sandbox"}, storeFlags...)

// printLine prints v as one line.
func printLine(cmd *cobra.Command, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		fmt.Fprintln(cmd.OutOrStdout(), string(b))
	}
	return err
}

// openStore opens the store that the flags name: for this command alone when
// alone is set, else beside a gateway that serves it.
func openStore(cmd *cobra.Command, alone bool) (gateway.Config, store.Store, error) {
	cfg, err := readConfig(cmd)
	if err != nil {
		return cfg, nil, err
	}
	if err := exists(cfg); err != nil && !alone {
		return cfg, nil, err
	}
	s, err := gateway.OpenStore(cmd.Context(), cfg, alone, nil)
	return cfg, s, err
}

// withStore runs f on the store that the flags name, and closes it.
func withStore(cmd *cobra.Command, alone bool, f func(gateway.Config, store.Store) error) (err error) {
	cfg, s, err := openStore(cmd, alone)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return f(cfg, s)
}

// exists keeps a misspelt --data from becoming an empty store.
func exists(cfg gateway.Config) error {
	if cfg.Mongo != "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(cfg.Data, "trellis.db")); err != nil {
		return fmt.Errorf("there is no store in %s; name its folder with --data", cfg.Data)
	}
	return nil
}

func newBackup() *cobra.Command {
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Write everything the store holds to one file, while it serves", Args: cobra.ExactArgs(1),
		Long: `Write everything the store holds, as of one moment, to one new file: resources
with their history, the audit, originals, clients and pending work. Signing keys
stay in the data folder. The gateway goes on serving meanwhile.

Keep the file as safe as the store: it is not encrypted.`,
		Example: "  trellis backup trellis-2026-11-23.backup --data data",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd, false, func(_ gateway.Config, s store.Store) error {
				t, err := backupTo(cmd, s, args[0])
				if err != nil {
					return err
				}
				return printLine(cmd, struct {
					File string `json:"file"`
					archive.Trailer
				}{args[0], t})
			})
		},
	}
	addFlags(cmd.Flags(), storeFlags...)
	return cmd
}

// backupTo writes beside the file and gives it its name once it is whole and on
// disk.
func backupTo(cmd *cobra.Command, s store.Keeper, path string) (t archive.Trailer, err error) {
	if _, err := os.Stat(path); err == nil {
		return t, fmt.Errorf("%s is there already; name a new file", path)
	}
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the file that the operator names
	if errors.Is(err, fs.ErrExist) {
		return t, fmt.Errorf("%s is there: another backup is writing it, or one was stopped; then remove it", part)
	}
	if err != nil {
		return t, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	m := newMeter(cmd, -1, "records")
	t, err = archive.Backup(cmd.Context(), s, f, version, m.at)
	m.end()
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return t, err
	}
	return t, os.Rename(part, path)
}

func newRestore() *cobra.Command {
	var until string
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Fill an empty store from a backup, to its end or an earlier point", Args: cobra.ExactArgs(1),
		Long: `Check a backup and fill an empty store from it. --until restores to an earlier
point: the number of a commit, or a time. No gateway may serve the store.

Clients and keys have no history and are those of the backup's moment.`,
		Example: `  trellis restore trellis-2026-11-23.backup --data restored
  trellis restore trellis-2026-11-23.backup --data restored --until 2026-11-23T09:30:00Z`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := point(until)
			if err != nil {
				return err
			}
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer closeFile(f)
			return withStore(cmd, true, func(cfg gateway.Config, s store.Store) error { return restore(cmd, cfg, s, f, p) })
		},
	}
	addFlags(cmd.Flags(), indexFlags...)
	cmd.Flags().StringVar(&until, "until", "", "the number of the last commit, or a time such as 2026-11-23T09:30:00Z")
	return cmd
}

func restore(cmd *cobra.Command, cfg gateway.Config, s store.Store, f io.ReadSeeker, p archive.Point) error {
	r := cfg.Registry()
	m := newMeter(cmd, -1, "records")
	counts, err := archive.Restore(cmd.Context(), f, s, p, gateway.Indexer(r), m.at)
	m.end()
	if err != nil {
		return err
	}
	if err := gateway.SetIndexed(cmd.Context(), s, r); err != nil {
		return err
	}
	return printLine(cmd, counts)
}

// closeFile closes a file that was only read.
func closeFile(f io.Closer) { _ = f.Close() }

func point(s string) (p archive.Point, err error) {
	if s == "" {
		return p, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 {
		return archive.Point{Seq: n}, nil
	}
	if p.At, err = time.Parse(time.RFC3339, s); err != nil {
		return p, errors.New("--until is the number of a commit or a time such as 2026-11-23T09:30:00Z")
	}
	return p, nil
}

func newVerify() *cobra.Command {
	cmd := &cobra.Command{
		Use: "verify [FILE]", Short: "Look for damage in a backup or in the store", Args: cobra.MaximumNArgs(1),
		Long: `Read a backup, or without FILE the whole store, and report what cannot be:
documents that cannot be read, versions that are missing, index entries that are
not those of their document, originals and audit records that were changed.

Exit 0: no fault, 1: faults, 2: could not look.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			i := archive.NewInspector(func(fault string) { fmt.Fprintln(cmd.OutOrStdout(), fault) })
			var err error
			if len(args) == 1 {
				err = verifyFile(cmd, args[0], i)
			} else {
				err = verifyStore(cmd, i)
			}
			if err != nil {
				return err
			}
			if err := printLine(cmd, struct {
				Faults int `json:"faults"`
				archive.Counts
			}{i.Faults, i.Counts}); err != nil {
				return err
			}
			if i.Faults > 0 {
				return errFaults
			}
			return nil
		},
	}
	addFlags(cmd.Flags(), indexFlags...)
	return cmd
}

func verifyFile(cmd *cobra.Command, path string, i *archive.Inspector) error {
	f, err := os.Open(path) //nolint:gosec // the file that the operator names
	if err != nil {
		return err
	}
	defer closeFile(f)
	m := newMeter(cmd, -1, "records")
	defer m.end()
	_, err = archive.Verify(cmd.Context(), io.Reader(f), i, m.at)
	return err
}

func verifyStore(cmd *cobra.Command, i *archive.Inspector) error {
	return withStore(cmd, false, func(cfg gateway.Config, s store.Store) error {
		m := newMeter(cmd, -1, "records")
		defer m.end()
		if err := archive.Inspect(cmd.Context(), s, i, m.at); err != nil {
			return err
		}
		return s.Check(cmd.Context(), gateway.Indexer(cfg.Registry()), i.Fault)
	})
}

func newMigrate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring a store to the layout of this program", Args: cobra.NoArgs,
		Long: `Bring a store that an older program wrote to the layout of this one. serve does
the same when it starts; a layout only goes forwards, and a program refuses one
that is newer than itself. Make a backup first. No gateway may serve the store.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := readConfig(cmd)
			if err != nil {
				return err
			}
			if err := exists(cfg); err != nil {
				return err
			}
			return withStore(cmd, true, func(cfg gateway.Config, s store.Store) error { return migrated(cmd, cfg, s) })
		},
	}
	addFlags(cmd.Flags(), indexFlags...)
	return cmd
}

// migrated says what opening the store has made of it.
func migrated(cmd *cobra.Command, cfg gateway.Config, s store.Store) error {
	has, newest, err := s.Schema(cmd.Context())
	if err != nil {
		return err
	}
	indexed, err := gateway.Indexed(cmd.Context(), s, cfg.Registry())
	if err != nil {
		return err
	}
	if !indexed {
		fmt.Fprintln(cmd.ErrOrStderr(), "trellis: searches by new parameters miss older resources until trellis reindex has run")
	}
	return printLine(cmd, map[string]any{"schema": has, "newest": newest, "indexed": indexed})
}

func newReindex() *cobra.Command {
	cmd := &cobra.Command{
		Use: "reindex", Short: "Make the search index anew, while the gateway serves", Args: cobra.NoArgs,
		Long: `Compute anew what every resource is found by. That is needed after an update that
brings new search parameters, and after a change of --public-url. The gateway goes
on serving; a run that was stopped begins anew.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd, false, func(cfg gateway.Config, s store.Store) error {
				if cfg.FreePort() {
					return errors.New("the index depends on the public URL; name it with --public-url")
				}
				n, err := reindex(cmd, s, cfg)
				if err != nil {
					return err
				}
				return printLine(cmd, map[string]int{"resources": n})
			})
		},
	}
	addFlags(cmd.Flags(), indexFlags...)
	return cmd
}

func reindex(cmd *cobra.Command, s store.Store, cfg gateway.Config) (done int, err error) {
	total, err := s.Count(cmd.Context())
	if err != nil {
		return 0, err
	}
	r := cfg.Registry()
	m := newMeter(cmd, total, "resources")
	defer m.end()
	for after := ""; ; {
		next, n, err := s.Reindex(cmd.Context(), after, 500, gateway.Indexer(r))
		if err != nil {
			return done, err
		}
		done += n
		m.at(done)
		if next == "" {
			return done, gateway.SetIndexed(cmd.Context(), s, r)
		}
		after = next
	}
}

func newCopy() *cobra.Command {
	var toData, toMongo string
	cmd := &cobra.Command{
		Use: "copy", Short: "Copy a whole store into an empty one, of the same kind or the other", Args: cobra.NoArgs,
		Long: `Copy everything of a store into an empty one: from the embedded store to MongoDB
or back. Commit numbers, versions, times, parties and the audit stay as they are.
A copy that was stopped goes on when it is called again, as long as the source did
not change: stop the gateway first.`,
		Example: `  trellis copy --data data --to-mongo 'mongodb://db1,db2,db3/?replicaSet=rs0'
  trellis copy --mongo 'mongodb://db1,db2,db3/?replicaSet=rs0' --to-data data2`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd, false, func(cfg gateway.Config, from store.Store) (err error) {
				target, err := copyTarget(cfg, toData, toMongo)
				if err != nil {
					return err
				}
				to, err := gateway.OpenStore(cmd.Context(), target, true, nil)
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, to.Close()) }()
				return copyStore(cmd.Context(), cmd, cfg, from, to)
			})
		},
	}
	addFlags(cmd.Flags(), indexFlags...)
	cmd.Flags().StringVar(&toData, "to-data", "", "folder of the embedded store to fill")
	cmd.Flags().StringVar(&toMongo, "to-mongo", "", "URI of the MongoDB database to fill")
	return cmd
}

func copyTarget(cfg gateway.Config, data, mongo string) (gateway.Config, error) {
	if (data == "") == (mongo == "") {
		return cfg, errors.New("name the store to fill with either --to-data or --to-mongo")
	}
	if mongo == "" && cfg.Mongo == "" && filepath.Clean(data) == filepath.Clean(cfg.Data) || mongo != "" && mongo == cfg.Mongo.Reveal() {
		return cfg, errors.New("a store cannot be copied into itself")
	}
	cfg.Mongo = auth.Secret(mongo)
	if data != "" {
		cfg.Data = data
	}
	return cfg, nil
}

func copyStore(ctx context.Context, cmd *cobra.Command, cfg gateway.Config, from, to store.Store) error {
	r := cfg.Registry()
	m := newMeter(cmd, -1, "records")
	counts, err := archive.Copy(ctx, from, to, gateway.Indexer(r), m.at)
	m.end()
	if err != nil {
		return err
	}
	if err := gateway.SetIndexed(ctx, to, r); err != nil {
		return err
	}
	return printLine(cmd, counts)
}
