//! What code may not do, by where it lies: `unsafe`, unfinished work, the terminal, the environment, the clock.

use std::path::Path;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::modules::is_for_tests;
use super::{Finding, SourceFile};

/// The one module that may hold `unsafe`.
const UNSAFE_HOME: &str = "crates/cow-fs/src/sys";

/// Crates that may know their surroundings: the binary and what only tests use. The others are libraries.
const AT_THE_EDGE: [&str; 2] = ["perennial", "scratch-fs"];

/// Crates that have no clock and no I/O: not even these paths.
const PURE: [&str; 1] = ["policy"];
const IMPURE: [&[&str]; 8] = [
    &["SystemTime", "now"],
    &["Instant", "now"],
    &["Timestamp", "now"],
    &["Zoned", "now"],
    &["std", "fs"],
    &["std", "net"],
    &["std", "io"],
    &["std", "process"],
];

/// What reaches for the user's surroundings instead of taking what it is handed.
const SURROUNDINGS: [&[&str]; 6] = [
    &["env", "var"],
    &["env", "var_os"],
    &["env", "vars"],
    &["env", "vars_os"],
    &["env", "home_dir"],
    &["env", "set_var"],
];

const UNFINISHED_MACROS: [&str; 3] = ["dbg", "todo", "unimplemented"];
const TERMINAL_MACROS: [&str; 4] = ["print", "println", "eprint", "eprintln"];

/// Checks the rules of this module.
pub fn check(file: &SourceFile, syntax: &syn::File) -> Vec<Finding> {
    let crate_name = file.crate_name();
    let in_source = file
        .path
        .components()
        .nth(2)
        .is_some_and(|part| part.as_os_str() == "src");
    let mut rules = Rules {
        file,
        findings: Vec::new(),
        may_be_unsafe: is_unsafe_home(&file.path),
        is_library: crate_name.is_some_and(|name| !AT_THE_EDGE.contains(&name)),
        is_pure: crate_name.is_some_and(|name| PURE.contains(&name)),
        // Neither tests nor benches, examples and build scripts are part of the library.
        in_tests: file.is_test() || !in_source,
    };
    rules.visit_file(syntax);
    rules.findings
}

fn is_unsafe_home(path: &Path) -> bool {
    path.starts_with(UNSAFE_HOME) || path == Path::new(UNSAFE_HOME).with_extension("rs")
}

struct Rules<'a> {
    file: &'a SourceFile,
    findings: Vec<Finding>,
    may_be_unsafe: bool,
    is_library: bool,
    is_pure: bool,
    in_tests: bool,
}

impl Rules<'_> {
    fn found(&mut self, spanned: impl Spanned, what: impl Into<String>) {
        self.findings
            .push(self.file.finding(spanned.span().start().line, what));
    }

    fn unsafety(&mut self, spanned: impl Spanned) {
        if !self.may_be_unsafe {
            self.found(spanned, format!("`unsafe` lives in {UNSAFE_HOME} only"));
        }
    }

    fn within_tests(&mut self, attributes: &[syn::Attribute], visit: impl FnOnce(&mut Self)) {
        let outside = self.in_tests;
        self.in_tests |= is_for_tests(attributes);
        visit(self);
        self.in_tests = outside;
    }

    fn path(&mut self, path: &syn::Path) {
        if self.in_tests {
            return;
        }
        let names: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        if self.is_library && contains_any(&names, &SURROUNDINGS) {
            self.found(
                path,
                format!("a library is handed its settings: no `{}`", names.join("::")),
            );
        }
        if self.is_pure && contains_any(&names, &IMPURE) {
            self.found(
                path,
                format!("this crate has no clock and no I/O: no `{}`", names.join("::")),
            );
        }
    }
}

fn contains_any(names: &[String], wanted: &[&[&str]]) -> bool {
    wanted
        .iter()
        .any(|wanted| names.windows(wanted.len()).any(|window| window == *wanted))
}

impl<'ast> Visit<'ast> for Rules<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.within_tests(&item.attrs, |rules| visit::visit_item_mod(rules, item));
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.within_tests(&item.attrs, |rules| visit::visit_item_fn(rules, item));
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.unsafety(block);
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if let syn::Safety::Unsafe(token) = &signature.safety {
            self.unsafety(token);
        }
        visit::visit_signature(self, signature);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if let Some(token) = item.unsafety.as_ref() {
            self.unsafety(token);
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_item_foreign_mod(&mut self, item: &'ast syn::ItemForeignMod) {
        self.unsafety(item);
        visit::visit_item_foreign_mod(self, item);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let name = call
            .path
            .segments
            .last()
            .map(|segment| segment.ident.to_string())
            .unwrap_or_default();
        if UNFINISHED_MACROS.contains(&name.as_str()) {
            self.found(call, format!("`{name}!` is for work in progress"));
        }
        if self.is_library && !self.in_tests && TERMINAL_MACROS.contains(&name.as_str()) {
            self.found(call, format!("a library has no terminal: no `{name}!`"));
        }
        visit::visit_macro(self, call);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.path(path);
        visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        for path in used_paths(&item.tree) {
            self.path(&path);
        }
    }
}

/// Every path that a `use` brings in, written out.
fn used_paths(tree: &syn::UseTree) -> Vec<syn::Path> {
    fn walk(tree: &syn::UseTree, before: &[syn::Ident], paths: &mut Vec<syn::Path>) {
        let mut names = before.to_vec();
        match tree {
            syn::UseTree::Path(path) => {
                names.push(path.ident.clone());
                return walk(&path.tree, &names, paths);
            }
            syn::UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| walk(tree, &names, paths));
            }
            syn::UseTree::Name(name) => names.push(name.ident.clone()),
            syn::UseTree::Rename(rename) => names.push(rename.ident.clone()),
            _ => {}
        }
        let segments = names.into_iter().map(syn::PathSegment::from).collect();
        paths.push(syn::Path {
            leading_colon: None,
            segments,
        });
    }
    let mut paths = Vec::new();
    walk(tree, &[], &mut paths);
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let file = SourceFile {
            path: path.into(),
            text: text.into(),
        };
        let syntax = syn::parse_file(text).expect("parses");
        check(&file, &syntax)
            .into_iter()
            .map(|finding| finding.what)
            .collect()
    }

    #[test]
    fn unsafe_has_one_home() {
        for text in [
            "fn f() { unsafe { g() } }",
            "unsafe fn f() {}",
            "unsafe impl A for B {}",
        ] {
            assert_eq!(findings("crates/storage/src/a.rs", text).len(), 1, "{text}");
            assert_eq!(findings("crates/cow-fs/src/system.rs", text).len(), 1, "{text}");
            assert!(
                findings("crates/cow-fs/src/sys/btrfs.rs", text).is_empty(),
                "{text}"
            );
            assert!(findings("crates/cow-fs/src/sys.rs", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn work_in_progress_is_found_in_tests_too() {
        assert_eq!(
            findings("crates/storage/tests/a.rs", "fn f() { dbg!(1); todo!() }").len(),
            2
        );
    }

    #[test]
    fn libraries_have_no_surroundings() {
        let text = "use std::env; fn f() { println!(); env::var(\"HOME\"); std::env::temp_dir(); }";
        assert_eq!(findings("crates/storage/src/a.rs", text).len(), 2);
        assert!(findings("crates/perennial/src/main.rs", text).is_empty());
        assert!(findings("crates/storage/tests/a.rs", text).is_empty());
        assert!(
            findings(
                "crates/storage/src/a.rs",
                &format!("#[cfg(test)] mod t {{ {text} }}")
            )
            .is_empty()
        );
        assert_eq!(
            findings("crates/storage/src/a.rs", "use std::{env::{var, temp_dir}};").len(),
            1
        );
    }

    #[test]
    fn policy_has_no_clock() {
        let text = "fn f() { std::time::SystemTime::now(); } use std::fs::File;";
        assert_eq!(findings("crates/policy/src/a.rs", text).len(), 2);
        assert!(findings("crates/storage/src/a.rs", text).is_empty());
    }
}
