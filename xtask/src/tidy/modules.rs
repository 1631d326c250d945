//! How long a module and its functions may be. Test code is exempt: a scenario is told in one piece.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::{Finding, SourceFile, names};

const MODULE_LINES: usize = 800;
const FUNCTION_LINES: usize = 70;

/// Checks the rules of this module.
pub fn check(file: &SourceFile, syntax: &syn::File) -> Vec<Finding> {
    let mut lengths = Lengths {
        file,
        findings: Vec::new(),
        test_lines: 0,
    };
    lengths.visit_file(syntax);
    let lines = file.text.lines().count().saturating_sub(lengths.test_lines);
    if !file.is_test() && lines > MODULE_LINES {
        let what = format!("{lines} lines: a module has at most {MODULE_LINES}, tests aside");
        lengths.findings.push(file.finding(1, what));
    }
    lengths.findings
}

/// Tells whether an item is compiled for tests only.
pub fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        if path.segments.last().is_some_and(|last| last.ident == "test") {
            return true;
        }
        path.is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|test| test.is_ident("test"))
    })
}

struct Lengths<'a> {
    file: &'a SourceFile,
    findings: Vec<Finding>,
    test_lines: usize,
}

impl Lengths<'_> {
    fn function(&mut self, name: &syn::Ident, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.span().start().line;
        let lines = body.span().end().line + 1 - first;
        if lines > FUNCTION_LINES && !self.file.is_test() {
            let what = format!("`{name}` has {lines} lines: a function has at most {FUNCTION_LINES}");
            self.findings.push(self.file.finding(first, what));
        }
    }
}

impl<'ast> Visit<'ast> for Lengths<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if names::is_empty_name(&module.ident.to_string()) {
            let line = module.ident.span().start().line;
            self.findings.push(
                self.file
                    .finding(line, names::complaint(&module.ident.to_string())),
            );
        }
        if is_for_tests(&module.attrs) {
            let span = module.span();
            self.test_lines += span.end().line + 1 - span.start().line;
            return;
        }
        visit::visit_item_mod(self, module);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if is_for_tests(&function.attrs) {
            return;
        }
        self.function(&function.sig.ident, &function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function(&function.sig.ident, &function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.function(&function.sig.ident, &function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
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
        check(&file, &syntax).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_long_function_is_found_and_a_long_test_is_not() {
        let body = "    step();\n".repeat(69);
        let text = format!("\nfn long() {{\n{body}}}\n");
        let expected = ["crates/x/src/a.rs:2: `long` has 71 lines: a function has at most 70"];
        assert_eq!(findings("crates/x/src/a.rs", &text), expected);
        assert!(findings("crates/x/tests/a.rs", &text).is_empty());
        assert!(findings("crates/x/src/a.rs", &format!("#[cfg(test)]\nmod t {{ {text} }}")).is_empty());
        assert!(
            findings(
                "crates/x/src/a.rs",
                &format!("#[tokio::test]\nasync {}", text.trim())
            )
            .is_empty()
        );
    }

    #[test]
    fn a_long_module_is_found_and_its_tests_do_not_count() {
        let lines = "const A: u8 = 1;\n".repeat(800);
        assert!(findings("crates/x/src/a.rs", &lines).is_empty());
        assert_eq!(
            findings("crates/x/src/a.rs", &format!("{lines}const B: u8 = 1;\n")).len(),
            1
        );
        let tests = "#[cfg(test)]\nmod tests {\n    use super::*;\n}\n";
        assert!(findings("crates/x/src/a.rs", &format!("{lines}{tests}")).is_empty());
    }

    #[test]
    fn an_empty_name_is_found_in_a_declaration() {
        assert_eq!(findings("crates/x/src/lib.rs", "mod helpers;").len(), 1);
    }
}
