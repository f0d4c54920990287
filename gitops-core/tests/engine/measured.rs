//! What an engine shows to Prometheus.

use gitops_core::engine::metrics;
use gitops_core::plan::Request;

use super::*;

impl World {
    fn shows(&self, line: &str) -> bool {
        metrics(&self.0.engine).lines().any(|shown| shown.contains(line))
    }
}

#[test]
fn whether_a_cluster_answers_is_shown_and_how_much_is_kept() {
    let mut world = World::new(51);
    world.0.put(application("shop"));
    world.commit("web", "blue");
    world.pass(3);
    let answers = |is: u8| format!("argocd_cluster_connection_status{{server=\"cluster\"}} {is}");
    assert!(world.shows(&answers(1)) && world.shows("gitops_size{what=\"applications\"} 1"));
    world.0.cluster_is_down = true;
    world.pass(10);
    assert!(world.shows(&answers(0)));
    world.0.cluster_is_down = false;
    world.pass(10);
    assert!(world.shows(&answers(1)));
}

#[test]
fn an_operation_that_deletes_an_application_is_shown_as_one() {
    let mut world = World::new(52);
    world.0.put(application("shop").with_automation(Automation::syncing()));
    world.commit("web", "blue");
    world.pass(3);
    world.0.slow.insert(("effect", "cluster".into()), Duration::from_secs(30));
    for (request, operation) in [(Request::default(), "\"\""), (Request::to_delete(), "\"delete\"")] {
        world.0.tell(Event::Wish {
            app: "shop".into(),
            wish: Wish::Sync { by: "Ann".into(), request: Box::new(request) },
        });
        world.0.pass(Duration::from_secs(20));
        assert!(world.shows(&format!("operation={operation}")), "{}", metrics(&world.0.engine));
    }
}
