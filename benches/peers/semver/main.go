// Masterminds' semver, by which Argo CD and Flux pick versions, as a judge of `gitops-git/src/range`.
//
//	cd benches/peers/semver && go run . SEED RANGES PICKS > ../../../gitops-git/src/range/random.txt
//
// Prints random ranges with what each says of the versions in the second line, then random ranges with random tags, and
// the tag that Argo CD takes: the highest one in the range.
package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

var random *rand.Rand

func one(of ...string) string { return of[random.Intn(len(of))] }

func often(percent int) bool { return random.Intn(100) < percent }

func number() string { return one("0", "0", "1", "1", "1", "2", "2", "3", "10", "20") }

func pre() string {
	if often(75) {
		return ""
	}
	return one("-0", "-1", "-alpha", "-alpha.1", "-alpha.x", "-beta.2", "-beta.11", "-rc.1", "-rc.1-b", "-rc.01", "-")
}

func build() string {
	if often(94) {
		return ""
	}
	return one("+1", "+build.5", "+a-b", "+01", "+")
}

func version(open bool) string {
	text := ""
	if often(15) {
		text = "v"
	}
	for part, parts := 0, 1+random.Intn(3); part < parts; part++ {
		if part > 0 {
			text += "."
		}
		if open && often(15) {
			text += one("x", "X", "*")
		} else {
			text += number()
		}
	}
	return text + pre() + build()
}

func constraint() string {
	if often(8) {
		return version(true) + one(" - ", "  -  ", " -\t", " -") + version(true)
	}
	sign := one("", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^", "^", "~", ">=", "<")
	return sign + one("", "", "", " ", "  ") + version(true)
}

func rangeOf() string {
	text := constraint()
	for often(35) {
		text += one(" ", ", ", ",", " , ", " || ", "||", " ||", "  ") + constraint()
	}
	for often(6) {
		at := random.Intn(len(text) + 1)
		text = text[:at] + one("", " ", "|", "-", ".", "*", "v", "<", "=", ",", "x", "1") + text[min(at+random.Intn(2), len(text)):]
	}
	return text
}

func tags() []string {
	tags, seen := []string{}, []*semver.Version{}
	for len(tags) < 8 {
		tag := version(false)
		if often(70) {
			tag = one("", "v") + number() + "." + number() + "." + number() + pre()
		}
		found, err := semver.NewVersion(tag)
		isNew := true
		for _, other := range seen {
			// Of two with one precedence neither is the highest.
			isNew = isNew && (err != nil || found.Compare(other) != 0)
		}
		if !isNew {
			continue
		}
		if err == nil {
			seen = append(seen, found)
		}
		tags = append(tags, tag)
	}
	return tags
}

func highest(in *semver.Constraints, tags []string) string {
	var best *semver.Version
	for _, tag := range tags {
		found, err := semver.NewVersion(tag)
		if err == nil && in.Check(found) && (best == nil || found.GreaterThan(best)) {
			best = found
		}
	}
	if best == nil {
		return "none"
	}
	return best.Original()
}

func main() {
	arguments := [3]int{}
	for at := range arguments {
		arguments[at], _ = strconv.Atoi(os.Args[at+1])
	}
	random = rand.New(rand.NewSource(int64(arguments[0])))
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	all := []string{}
	for len(all) < 48 {
		text := version(false)
		if _, err := semver.NewVersion(text); err == nil {
			all = append(all, text)
		}
	}
	fmt.Fprintf(out, "# Printed by `benches/peers/semver`, with seed %d\n# %s\n", arguments[0], strings.Join(all, " "))
	for count := 0; count < arguments[1]; {
		text := strings.ReplaceAll(rangeOf(), "\t", "\\t")
		said := ""
		plain := strings.ReplaceAll(text, "\\t", "\t")
		if _, err := semver.NewVersion(plain); err == nil {
			said = "version"
		} else if in, err := semver.NewConstraint(plain); err != nil {
			said = "none"
		} else {
			for _, version := range all {
				said += map[bool]string{true: "1", false: "0"}[in.Check(semver.MustParse(version))]
			}
		}
		// Of what is alike, a little is enough.
		if strings.Contains(said, "1") || often(20) {
			fmt.Fprintf(out, "%s\t%s\n", text, said)
			count++
		}
	}
	for count := 0; count < arguments[2]; {
		text, tags := rangeOf(), tags()
		in, err := semver.NewConstraint(text)
		if _, is := semver.NewVersion(text); err != nil || is == nil || strings.Contains(text, "\t") {
			continue
		}
		if said := highest(in, tags); said != "none" || often(20) {
			fmt.Fprintf(out, "%s\t%s\t%s\n", text, strings.Join(tags, " "), said)
			count++
		}
	}
}
