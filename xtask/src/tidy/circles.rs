//! No circles: of the modules that stand side by side, in a crate or in a folder of it, none uses another that uses it in
//! turn, however long the way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use super::Finding;
use super::modules::{ModulePath, Modules, Use};

/// Which neighbour uses which, with a place that shows it.
type Graph<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a Use>>;

/// Checks the crates of a member, by the files that they begin with.
pub(super) fn check(root: &Path, folder: &Path) -> Result<Vec<Finding>> {
    let mut findings = vec![];
    for name in ["lib.rs", "main.rs"] {
        let file = folder.join("src").join(name);
        if file.is_file() {
            let modules = Modules::read(root, &file)?;
            findings.extend(all_circles(&modules).iter().map(Circle::finding));
        }
    }
    Ok(findings)
}

/// Modules that use each other, with the shortest way round.
struct Circle<'a> {
    modules: BTreeSet<&'a str>,
    parent: &'a [String],
    way: Vec<&'a Use>,
}

impl Circle<'_> {
    fn finding(&self) -> Finding {
        let parent = [&["crate".to_owned()], self.parent].concat().join("::");
        let steps = self.way.iter().map(|step| {
            let to = [&["crate".to_owned()][..], &step.to].concat().join("::");
            format!("\n    {}:{} uses {to}", step.file, step.line + 1)
        });
        let others = self.modules.len() - self.way.len();
        let others =
            if others > 0 { format!("\n    ({others} more modules are in circles with these)") } else { String::new() };
        let message = format!(
            "modules of {parent} use each other in a circle: move what both need to a third, or let one be told by \
             its caller:{}{others}",
            steps.collect::<String>()
        );
        self.way.first().map_or_else(
            || Finding::file(parent, "a circle"),
            |first| Finding::line(&first.file, first.line, message.clone()),
        )
    }
}

fn all_circles(modules: &Modules) -> Vec<Circle<'_>> {
    modules.parents().into_iter().flat_map(|parent| circles(parent, &graph(modules, parent))).collect()
}

fn graph<'a>(modules: &'a Modules, parent: &[String]) -> Graph<'a> {
    let mut graph = Graph::new();
    for used in &modules.uses {
        let from = child(parent, &used.from);
        let to = modules.child_on_the_way(parent, &used.to);
        if let (Some(from), Some(to)) = (from, to)
            && from != to
        {
            graph.entry(from).or_default().entry(to).or_insert(used);
        }
    }
    graph
}

fn child<'a>(parent: &[String], path: &'a ModulePath) -> Option<&'a str> {
    path.strip_prefix(parent)?.first().map(String::as_str)
}

fn circles<'a>(parent: &'a [String], graph: &Graph<'a>) -> Vec<Circle<'a>> {
    let mut found: Vec<Circle<'a>> = vec![];
    for start in graph.keys() {
        if found.iter().any(|circle| circle.modules.contains(start)) {
            continue;
        }
        let onward = reached(graph, start);
        let mut modules: BTreeSet<_> =
            onward.into_iter().filter(|other| reached(graph, other).contains(start)).collect();
        if modules.remove(start) {
            modules.insert(*start);
            let ways = modules.iter().filter_map(|module| way_round(graph, module));
            let way = ways.min_by_key(Vec::len).unwrap_or_default();
            found.push(Circle { modules, parent, way });
        }
    }
    found
}

/// What a module uses, and what that uses in turn.
fn reached<'a>(graph: &Graph<'a>, start: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next = vec![start];
    while let Some(module) = next.pop() {
        for to in graph.get(module).into_iter().flat_map(|uses| uses.keys()) {
            if reached.insert(*to) {
                next.push(to);
            }
        }
    }
    reached
}

/// The shortest way from a module back to itself.
fn way_round<'a>(graph: &Graph<'a>, start: &str) -> Option<Vec<&'a Use>> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![(start, vec![])];
    while !ways.is_empty() {
        let mut longer = vec![];
        for (module, way) in ways {
            for (to, used) in graph.get(module).into_iter().flatten() {
                let way = [way.as_slice(), &[*used]].concat();
                if *to == start {
                    return Some(way);
                }
                if seen.insert(*to) {
                    longer.push((*to, way));
                }
            }
        }
        ways = longer;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The findings in a crate of these files.
    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join("src").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        check(root.path(), root.path()).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_circle_is_shown_with_the_lines_that_make_it() {
        let found = findings(&[
            ("lib.rs", "mod a; mod b; mod c; mod d;"),
            ("a.rs", "use crate::{\n    b::B,\n};"),
            ("b.rs", "fn f() { crate::c::g() }"),
            ("c.rs", "use super::a::A;"),
            ("d.rs", "use crate::a::A;"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        for part in [
            "src/a.rs:2: ",
            "src/a.rs:2 uses crate::b::B\n",
            "src/b.rs:1 uses crate::c::g\n",
            "src/c.rs:1 uses crate::a::A",
        ] {
            assert!(found[0].contains(part), "{part}: {}", found[0]);
        }
    }

    #[test]
    fn neighbours_in_a_folder_count_as_those_of_the_crate_do() {
        let found = findings(&[
            ("main.rs", "mod a;"),
            ("a.rs", "mod x; mod y { use super::x::X; }"),
            ("a/x/mod.rs", "use crate::a::y;"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("modules of crate::a "), "{}", found[0]);
    }

    #[test]
    fn what_the_parent_passes_on_is_used_where_it_comes_from() {
        let root = "pub use a::{A as Renamed}; mod a; mod b;";
        let found = findings(&[("lib.rs", root), ("a.rs", "use crate::b::B;"), ("b.rs", "use super::Renamed;")]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn parents_tests_and_other_crates_make_no_circle() {
        let found = findings(&[
            ("lib.rs", "mod a; mod b; mod tests;\npub struct Own;"),
            ("a.rs", "use crate::{Own, b::B};\n#[path = \"elsewhere/x.rs\"]\nmod inner;\nuse inner::X;"),
            ("elsewhere/x.rs", "use super::super::Own; pub(in crate::a) struct X;"),
            (
                "b.rs",
                "use a::Other;\n// crate::a::A\nconst TEXT: &str = \"crate::a::A\";\n#[cfg(test)]\nmod tests { use crate::a::A; }",
            ),
            ("tests.rs", ""),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }
}
