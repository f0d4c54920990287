mod catalog;
mod laws;
mod reading;
mod restrictions;
mod signed;

use super::*;
use crate::problem::Severity;

/// The problems of a file `a.yaml`, as they are shown, without what comes after `; `.
fn problems(text: &str) -> Vec<String> {
    let documents = read(&"a.yaml".into(), text.as_bytes());
    documents.problems.iter().map(|problem| problem.to_string().split("; ").next().unwrap_or("").to_owned()).collect()
}

/// An Argo CD `Application` with these lines below its `spec`.
fn argo(spec: &str) -> String {
    let lines: String = spec.lines().map(|line| format!("  {}\n", line.trim_end())).collect();
    format!("apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: shop}}\nspec:\n{lines}")
}

const PLAIN: &str = "source: {repoURL: https://example.org/shop.git, path: deploy}\ndestination: {namespace: shop}\n";

fn one(text: &str) -> Application {
    let mut documents = read(&"a.yaml".into(), text.as_bytes());
    let blocking = documents.problems.iter().find(|problem| problem.severity == Severity::Blocks);
    assert_eq!(blocking, None);
    documents.applications.pop().unwrap()
}
