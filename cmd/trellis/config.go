package main

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/providers/structs"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"trellis.example/gateway"
)

const envPrefix = "TRELLIS_"

// addFlags makes one flag of each field of the configuration.
func addFlags(fs *pflag.FlagSet, only ...string) {
	d := reflect.ValueOf(gateway.Defaults())
	for i := range d.NumField() {
		name, usage := d.Type().Field(i).Tag.Get("koanf"), d.Type().Field(i).Tag.Get("usage")
		if name == "-" || len(only) > 0 && !slices.Contains(only, name) {
			continue
		}
		usage += " [" + envName(name) + "]"
		switch v := d.Field(i).Interface().(type) {
		case bool:
			fs.Bool(name, v, usage)
		case int:
			fs.Int(name, v, usage)
		case float64:
			fs.Float64(name, v, usage)
		case time.Duration:
			fs.Duration(name, v, usage)
		case []string:
			fs.StringSlice(name, v, usage)
		default:
			fs.String(name, d.Field(i).String(), usage)
		}
	}
	fs.String("config", "", "YAML file with the same keys as the flags ["+envPrefix+"CONFIG]")
}

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// loadConfig reads the configuration and checks it.
func loadConfig(cmd *cobra.Command) (gateway.Config, error) {
	c, err := readConfig(cmd)
	if err != nil {
		return c, err
	}
	return c, c.Validate()
}

// readConfig reads the file, the environment and the flags, in that order of
// growing weight. A key of the file that is no setting is an error; a variable
// that is none may belong to somebody else and is only warned of.
func readConfig(cmd *cobra.Command) (gateway.Config, error) {
	fs := cmd.Flags()
	var c gateway.Config
	k := koanf.New(".")
	if err := k.Load(structs.Provider(gateway.Defaults(), "koanf"), nil); err != nil {
		return c, err
	}
	known := map[string]bool{}
	for _, name := range k.Keys() {
		known[name] = true
	}
	if err := loadFile(k, fs, known); err != nil {
		return c, err
	}
	if names := strangers(os.Environ(), known); len(names) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "trellis: no setting, not used: %s\n", strings.Join(names, ", "))
	}
	if err := k.Load(env.Provider(".", env.Opt{Prefix: envPrefix, TransformFunc: fromEnv(known)}), nil); err != nil {
		return c, err
	}
	if err := k.Load(posflag.ProviderWithValue(fs, ".", k, nil), nil); err != nil {
		return c, err
	}
	if err := k.Unmarshal("", &c); err != nil {
		return c, fmt.Errorf("read the configuration: %w", err)
	}
	c.Version = version
	return c, nil
}

func loadFile(k *koanf.Koanf, fs *pflag.FlagSet, known map[string]bool) error {
	path, err := fs.GetString("config")
	if err != nil {
		return err
	}
	if path == "" {
		path = os.Getenv(envPrefix + "CONFIG")
	}
	if path == "" {
		return nil
	}
	f := koanf.New(".")
	if err := f.Load(file.Provider(path), yaml.Parser()); err != nil {
		return fmt.Errorf("read the configuration file: %w", err)
	}
	for _, key := range f.Keys() {
		if !known[key] {
			return fmt.Errorf("%s: there is no setting %q; see trellis serve --help", path, key)
		}
	}
	return k.Merge(f)
}

// strangers names the variables that look like settings of ours and are none:
// a misspelt one would otherwise go unnoticed. Those of the tests are known.
func strangers(environ []string, known map[string]bool) []string {
	var out []string
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		tests := strings.HasPrefix(name, envPrefix+"TEST_") || name == envPrefix+"R4_EXAMPLES"
		if strings.HasPrefix(name, envPrefix) && !tests && name != envPrefix+"CONFIG" && !known[setting(name)] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// setting turns TRELLIS_PUBLIC_URL into public-url.
func setting(variable string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, envPrefix), "_", "-"))
}

// fromEnv reads the variables and leaves out what is no setting.
func fromEnv(known map[string]bool) func(k, v string) (string, any) {
	return func(k, v string) (string, any) {
		name := setting(k)
		if !known[name] {
			return "", nil
		}
		if name == "cors" || name == "proxies" {
			return name, strings.Split(v, ",")
		}
		return name, v
	}
}
