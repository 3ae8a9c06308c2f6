package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/rulefiles"
)

// temporary begins the names of files that are being written. An evaluator that reads *.yaml does not see them.
const temporary = ".ks-rule-agent-"

// modeFile lets the evaluator, which is another user, read what is written.
const modeFile = 0o644

// folder is where an evaluator finds its files. What is not ours there is left alone.
type folder struct {
	path    string
	dialect rulefiles.Dialect

	// known are the files as they were last read or written: one that looks the same is not read again.
	known map[string]stamp
}

// stamp is how a file looks from outside, and what was in it.
type stamp struct {
	size     int64
	modified time.Time
	digest   string
}

func newFolder(path string, dialect rulefiles.Dialect) *folder {
	return &folder{path: path, dialect: dialect, known: map[string]stamp{}}
}

// read returns our files, without the marker.
func (f *folder) read() (rulefiles.Set, error) {
	names, err := f.names()
	if err != nil {
		return rulefiles.Set{}, err
	}

	var files []rulefiles.File

	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(f.path, name))
		if err != nil {
			return rulefiles.Set{}, fmt.Errorf("read a rule file: %w", err)
		}

		if name != rulefiles.MarkerFile && rulefiles.Ours(content) {
			files = append(files, rulefiles.Read(name, content))
		}
	}

	return rulefiles.NewSet(files...), nil
}

// names are those of all files that an evaluator could read.
func (f *folder) names() ([]string, error) {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return nil, fmt.Errorf("read the folder of rules: %w; make it, or name another with --rule-dir", err)
	}

	var names []string

	for _, entry := range entries {
		if entry.Type().IsRegular() && filepath.Ext(entry.Name()) == ".yaml" {
			names = append(names, entry.Name())
		}
	}

	return names, nil
}

// holds tells whether the folder holds exactly a set, of what is ours.
func (f *folder) holds(set rulefiles.Set) (bool, error) {
	for _, file := range f.all(set) {
		same, err := f.same(file)
		if err != nil || !same {
			return false, err
		}
	}

	strays, err := f.strays(set)

	return len(strays) == 0, err
}

// all are the files of a set, the marker last: whoever reads meanwhile does not take a part for the whole.
func (f *folder) all(set rulefiles.Set) []rulefiles.File {
	return append(set.Files(), set.Marker(f.dialect))
}

// same tells whether a file is in the folder as it should be.
func (f *folder) same(file rulefiles.File) (bool, error) {
	path := filepath.Join(f.path, file.FileName)

	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}

	if err != nil {
		return false, fmt.Errorf("look at a rule file: %w", err)
	}

	seen := stamp{size: info.Size(), modified: info.ModTime(), digest: file.Digest}
	if f.known[file.FileName] == seen {
		return true, nil
	}

	content, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("read a rule file: %w", err)
	}

	if !bytes.Equal(content, file.Content) {
		return false, nil
	}

	f.known[file.FileName] = seen

	return true, nil
}

// strays are our files that a set does not have.
func (f *folder) strays(set rulefiles.Set) ([]string, error) {
	names, err := f.names()
	if err != nil {
		return nil, err
	}

	var strays []string

	for _, name := range names {
		if _, wanted := set.File(name); wanted || name == rulefiles.MarkerFile {
			continue
		}

		ours, err := f.ours(name)
		if err != nil {
			return nil, err
		}

		if ours {
			strays = append(strays, name)
		}
	}

	return strays, nil
}

func (f *folder) ours(name string) (bool, error) {
	content, err := os.ReadFile(filepath.Join(f.path, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}

	if err != nil {
		return false, fmt.Errorf("read a rule file: %w", err)
	}

	return rulefiles.Ours(content), nil
}

// write makes the folder hold a set. Each file changes at once, and the marker last.
func (f *folder) write(set rulefiles.Set) error {
	strays, err := f.strays(set)
	if err != nil {
		return err
	}

	marker := set.Marker(f.dialect)

	for _, file := range set.Files() {
		if err := f.put(file); err != nil {
			return err
		}
	}

	for _, name := range strays {
		if err := f.remove(name); err != nil {
			return err
		}
	}

	if err := f.put(marker); err != nil {
		return err
	}

	return f.sync()
}

// put writes a file where it is not as it should be.
func (f *folder) put(file rulefiles.File) error {
	same, err := f.same(file)
	if err != nil || same {
		return err
	}

	temporary, err := os.CreateTemp(f.path, temporary)
	if err != nil {
		return fmt.Errorf("write a rule file: %w; the folder must be writable for the agent", err)
	}

	err = fill(temporary, file.Content)
	if err == nil {
		err = os.Rename(temporary.Name(), filepath.Join(f.path, file.FileName))
	}

	if err != nil {
		return errors.Join(fmt.Errorf("write the rule file %s: %w", file.FileName, err), os.Remove(temporary.Name()))
	}

	_, err = f.same(file) // It remembers how the file looks.

	return err
}

func fill(file *os.File, content []byte) error {
	_, errWrite := file.Write(content)

	return errors.Join(errWrite, file.Chmod(modeFile), file.Sync(), file.Close())
}

func (f *folder) remove(name string) error {
	delete(f.known, name)

	if err := os.Remove(filepath.Join(f.path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a rule file: %w", err)
	}

	return nil
}

// sync has the names of files written down as well.
func (f *folder) sync() error {
	open, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("open the folder of rules: %w", err)
	}

	if err := errors.Join(open.Sync(), open.Close()); err != nil {
		return fmt.Errorf("write the folder of rules: %w", err)
	}

	return nil
}

// tidy removes what an agent left that was ended while it wrote.
func (f *folder) tidy() error {
	left, err := filepath.Glob(filepath.Join(f.path, temporary+"*"))
	if err != nil {
		return fmt.Errorf("look for unfinished files: %w", err)
	}

	return f.removeAll(left)
}

// clear removes everything of ours.
func (f *folder) clear() ([]string, error) {
	names, err := f.strays(rulefiles.Set{})
	if err != nil {
		return nil, err
	}

	ours, err := f.ours(rulefiles.MarkerFile)
	if err != nil {
		return nil, err
	}

	if ours {
		names = append(names, rulefiles.MarkerFile)
	}

	return names, errors.Join(f.tidy(), f.removeAll(names), f.sync())
}

func (f *folder) removeAll(names []string) error {
	var errs []error
	for _, name := range slices.Sorted(slices.Values(names)) {
		errs = append(errs, f.remove(strings.TrimPrefix(name, f.path+string(filepath.Separator))))
	}

	return errors.Join(errs...)
}
