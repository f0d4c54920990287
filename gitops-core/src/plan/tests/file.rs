use std::collections::BTreeMap;

use super::{World, pruning};
use crate::plan::{Plan, Request, Selection, StoredPlan};
use crate::problem::Problem;
use crate::source::RevisionId;

const WORLD: &str = "
    v1 Namespace shop | missing
    v1 Secret shop/key | missing
    apps/v1 Deployment shop/web | template
    batch/v1 Job shop/migrate hook=PreSync | hook
    v1 ConfigMap shop/stays | synced
    v1 ConfigMap shop/old | extra
    v1 ConfigMap shop/kept options=Prune=false | extra
";

fn planned() -> Plan {
    let revisions = vec![RevisionId::new("4a1f")];
    Plan { problems: Vec::<Problem>::new(), revisions, ..World::new(WORLD).plan(&pruning()) }
}

fn text(plan: &Plan) -> String {
    serde_json::to_string(&StoredPlan::new(plan, &BTreeMap::new())).unwrap()
}

fn refusal(text: &str) -> String {
    Plan::from_file(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_plan_reads_back_from_its_file_in_any_layout() {
    let plan = planned();
    let file = text(&plan);
    assert_eq!(Plan::from_file(file.as_bytes()).unwrap(), plan);
    let value: serde_json::Value = serde_json::from_str(&file).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    assert_eq!(Plan::from_file(pretty.as_bytes()).unwrap().digest(), plan.digest());
    assert_eq!(value["digest"], plan.digest().to_string(), "what somebody approves stands in the file");
    let only = Selection::of(["ConfigMap/*".parse().unwrap()]).with_labels("a in (b, c)".parse().unwrap());
    let part = World::new(WORLD).asked(&pruning(), Request::default().with_only(only));
    let part = Plan { problems: Vec::new(), ..part };
    assert_eq!(Plan::from_file(text(&part).as_bytes()).unwrap(), part);
    assert_ne!(part.digest(), plan.digest());
}

#[test]
fn a_plan_file_that_was_changed_anywhere_is_refused() {
    let file = text(&planned());
    let plan = Plan::from_file(file.as_bytes()).unwrap();
    // Every eleventh byte, so that all sorts of places are met.
    for at in (0..file.len()).step_by(11) {
        for other in [b'0', b'x', b'}', b' '] {
            let mut bytes = file.clone().into_bytes();
            bytes[at] = other;
            // Where a change leaves the meaning as it is, the plan is the same.
            if let Ok(read) = Plan::from_file(&bytes) {
                assert_eq!(read, plan, "at {at}: {}", String::from_utf8_lossy(&bytes));
            }
        }
        assert!(Plan::from_file(&file.as_bytes()[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn what_is_no_plan_is_refused_with_the_reason() {
    let file = text(&planned());
    for (text, expected) in [
        (String::new(), "is not JSON, or not all of it"),
        ("format: gitops.rs/plan/v2".to_owned(), "is not JSON"),
        ("[]".to_owned(), "holds no plan: it is a list"),
        (file.replacen('{', r#"{"checksum":"x","#, 1), "it gives 1 of its fields twice"),
        ("{}".to_owned(), "holds no plan: it has no `format`"),
        (r#"{"format":"v1"}"#.to_owned(), "holds no plan: its format is `v1`"),
        (
            file.replacen("plan/v2", "plan/v3", 1),
            "has the format `gitops.rs/plan/v3`, which this program does not know",
        ),
        (
            file.replacen("plan/v2\"", "plan/v2\",\"more\":1", 1),
            "was changed after it was written: it does not match its own checksum",
        ),
        (file.replace("\"checksum\"", "\"sum\""), "it has no `checksum`"),
        (file.replacen("\"4a1f\"", "\"4a2f\"", 1), "was changed after it was written"),
        (file[..file.len() / 2].to_owned(), "is not JSON, or not all of it"),
    ] {
        let refused = refusal(&text);
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
}

#[test]
fn a_plan_file_whose_edges_point_forward_is_refused_even_with_a_fitting_checksum() {
    let mut plan = planned();
    let last = plan.steps.last().unwrap().id;
    plan.steps[0].after = vec![crate::plan::After::Applied(last)];
    let refused = refusal(&text(&plan));
    assert!(refused.contains("is out of place"), "{refused}");
    let mut plan = planned();
    plan.gates[0].opens = vec![crate::plan::After::Healthy(last)];
    assert!(refusal(&text(&plan)).contains("out of place"));
    let mut plan = planned();
    plan.gates[0].opens = vec![crate::plan::After::Gate(plan.gates[0].id)];
    assert!(refusal(&text(&plan)).contains("out of place"), "a gate cannot wait for itself");
    let mut plan = planned();
    plan.steps[1].id = crate::plan::StepId(7);
    assert!(refusal(&text(&plan)).contains("out of place"));
}
