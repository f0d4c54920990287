use super::*;
use crate::manifest::{Dialect, Limits, documents};
use crate::value::Value;

fn yaml(text: &str) -> Value {
    let (mut documents, stopped) = documents(text.as_bytes(), Dialect::Kubectl, &Limits::default());
    assert_eq!(stopped, None);
    documents.remove(0).value
}

fn read(text: &str) -> Result<Vec<String>, String> {
    let rules = Rules::read(yaml(text).root()).map_err(|error| error.to_string())?;
    Ok(rules.iter().map(|rule| format!("{:?}: {rule}", rule.scope)).collect())
}

fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> Resource {
    let text = format!(
        "{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: {name}, namespace: {namespace}, labels: {{app: web}}}}}}"
    );
    Resource::new(yaml(&text)).unwrap()
}

#[test]
fn three_forms_are_read_as_they_are() {
    for (text, expected) in [
        (
            "- {group: apps, kind: Deployment, namespace: shop-*, paths: [spec.replicas], managers: [hpa, {name: k*, subresource: scale}]}\n\
             - {pointers: [/a/0], onCreate: omit}",
            vec![
                "Application: `spec.replicas`, all of `hpa`, all of `k*` through `scale` of apps/Deployment shop-*/*",
                "Application: `/a/0` of */* */*",
            ],
        ),
        (
            "ignoreDifferences:\n- {group: apps, kind: '*', name: web, jsonPointers: [/spec/replicas]}\n\
             - {kind: Service, managedFieldsManagers: [me]}",
            vec!["Application: `/spec/replicas` of apps/* */web", "Application: all of `me` of Service */*"],
        ),
        (
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec:\n  ignoreDifferences:\n  - {kind: Service, jsonPointers: [/spec]}",
            vec!["Application: `/spec` of Service */*"],
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\ndata:\n  resource.customizations.ignoreDifferences.all: |\n    managedFieldsManagers: [kcm]\n  \
             resource.customizations.ignoreDifferences.apps_Deployment: |\n    jsonPointers:\n    - /spec/replicas\n  other: x",
            vec!["System: all of `kcm` of */* */*", "System: `/spec/replicas` of apps/Deployment */*"],
        ),
        (
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec:\n  ignore:\n  - paths: [/spec/replicas]\n    \
             target: {kind: Deploy.*, labelSelector: 'app in (web)'}\n  - paths: [/data]",
            vec![
                "Application: `/spec/replicas` of */Deploy.* */* with labels app in (web)",
                "Application: `/data` of */* */*",
            ],
        ),
        ("ignoreDifferences:", vec![]),
    ] {
        assert_eq!(read(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn a_rule_is_for_the_objects_that_its_writer_meant() {
    let web = object("apps/v1", "Deployment", "shop", "web");
    let map = object("v1", "ConfigMap", "shop", "web");
    for (text, is_web, is_map) in [
        ("- {kind: Deployment, paths: [a]}", true, false),
        ("- {paths: [a]}", true, true),
        ("- {kind: 'Deploy[a-z]*', paths: [/spec/replicas]}", true, false),
        ("- {group: '', paths: [a]}", false, true),
        ("- {namespace: 's*', name: web, paths: [a]}", true, true),
        // Argo CD: no group is the core group.
        ("- {kind: Deployment, jsonPointers: [/a]}", false, false),
        ("- {kind: '*', jsonPointers: [/a]}", false, true),
        ("- {group: '*', kind: '*', name: we, jsonPointers: [/a]}", false, false),
        // Flux: whole names by regular expression.
        ("- {paths: [/a], target: {kind: Deploy}}", false, false),
        ("- {paths: [/a], target: {kind: Deploy.*|ConfigMap}}", true, true),
        ("- {paths: [/a], target: {version: v1, group: apps, labelSelector: app=web}}", true, false),
        ("- {paths: [/a], target: {annotationSelector: x}}", false, false),
    ] {
        let rules = Rules::read(yaml(text).root()).unwrap();
        assert_eq!((rules.of(&web).count() > 0, rules.of(&map).count() > 0), (is_web, is_map), "{text}");
    }
}

#[test]
fn a_rule_that_cannot_be_read_names_itself_and_its_place() {
    for (text, expected) in [
        ("kind: Deployment", "rule 1: a list of rules is expected, not a map"),
        ("- [a]", "rule 1: a map is expected, not a list"),
        ("- {paths: [a]}\n- {path: [a]}", "rule 2: there is no key `path`"),
        ("- {paths: a}", "rule 1: `paths` is a list, not a string"),
        ("- {paths: [1]}", "rule 1: `paths` holds texts"),
        ("- {kind: X}", "rule 1: it names no fields"),
        ("- {paths: ['a..b']}", "rule 1: path `a..b` cannot be read: column 3"),
        ("- {pointers: [a]}", "rule 1: path `a` cannot be read: column 1: a JSON pointer begins with `/`"),
        ("- {paths: [a], onCreate: never}", "rule 1: `onCreate` is `send` or `omit`, not `never`"),
        ("- {managers: [{subresource: scale}]}", "rule 1: a manager needs a `name`"),
        ("- {jsonPointers: [/a]}", "rule 1: `kind` is missing"),
        ("- {paths: [/a], target: {name: '('}}", "rule 1: `(` is no regular expression"),
        ("- {paths: [/a], target: {labelSelector: 'a b'}}", "rule 1: `labelSelector`: `a b` is no label selector"),
        ("{apiVersion: v1, kind: Service}", "rule 1: a Service holds no rules"),
        ("- {paths: [metadata]}", "rule 1: `metadata` holds what makes an object what it is"),
        ("- {pointers: ['']}", "rule 1: `` holds what makes"),
        ("- {pointers: [/metadata/name]}", "rule 1: `/metadata/name` holds what makes"),
        ("- {kind: 'Deploy[ment', paths: [a]}", "rule 1: `Deploy[ment` is no glob: column 7: a `]` is missing"),
        ("- {name: 'a{b', paths: [a]}", "rule 1: `a{b` is no glob: column 2: a `}` is missing"),
        ("- {managers: ['a\\']}", "rule 1: `a\\` is no glob: column 2: nothing follows the `\\`"),
        ("- {kind: '[]', jsonPointers: [/a]}", "rule 1: `[]` is no glob: column 1: a `]` is missing"),
        ("- {paths: [/a~b]}", "rule 1: path `/a~b` cannot be read: column 3"),
        (
            "- {paths: ['a.**.b.**.c.**.d.**.e.**.f']}",
            "rule 1: path `a.**.b.**.c.**.d.**.e.**.f` cannot be read: column 1: it has more than 4 `**`",
        ),
        ("- {paths: [kind]}", "rule 1: `kind` holds what makes"),
        #[cfg(feature = "jq")]
        (
            "- {jq: ['.a | range(3)']}",
            "rule 1: jq program `.a | range(3)` cannot be used: column 6: `range` may never end",
        ),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn what_cannot_be_read_is_quoted_in_one_short_line() {
    let path = format!("- {{paths: [\"{}\\n\"]}}", "a.".repeat(10_000));
    let jq = format!("- jq: [\"{}.a |\\n\"]", "(".repeat(2_000));
    for text in [path, jq] {
        let error = read(&text).unwrap_err();
        assert!(error.contains('…') && error.len() < 400 && !error.contains('\n'), "{error}");
    }
}

#[test]
fn a_path_that_begins_with_a_slash_is_a_pointer() {
    // Flux's form without a target looks like our own.
    let rules = |text| Rules::read(yaml(text).root()).unwrap();
    assert_eq!(rules("- {paths: [/spec/replicas]}"), rules("- {pointers: [/spec/replicas]}"));
}

#[test]
fn equal_rules_have_one_digest() {
    let rules = |text| Rules::read(yaml(text).root()).unwrap();
    let one = rules("- {kind: A, paths: [a]}");
    assert_eq!(one.digest(), rules("- {kind: A, paths: [a]}").digest());
    for other in ["- {kind: B, paths: [a]}", "- {kind: A, paths: [b]}", "- {kind: A, paths: [a], onCreate: omit}"] {
        assert_ne!(one.digest(), rules(other).digest(), "{other}");
    }
    assert_ne!(one.digest(), one.for_all().digest());
    assert_eq!(one.and(&Rules::default()), one);
}
