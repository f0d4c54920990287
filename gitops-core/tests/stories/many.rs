//! An application whose record is too long to be stored in the clear: it is packed, and works like any other.

use gitops_core::memory::ready;
use gitops_core::plan::{Confirmation, Request};
use gitops_core::reconcile::{self, SyncStatus};
use gitops_core::resource::Resource;
use gitops_core::sync::Phase;
use gitops_core::time::Timer;

use crate::world::{NAMESPACE, Shop, config};

const MANY: usize = 1_000;

fn manifests(names: impl Iterator<Item = usize>) -> String {
    names.map(|name| config(&format!("c{name:04}"), "1") + "---\n").collect()
}

fn ledger(shop: &Shop) -> Option<Resource> {
    shop.cluster.inner.with_server(|server| server.get(&shop.app.ledger_key()).cloned())
}

#[test]
fn a_thousand_objects_are_synced_once_pruned_in_part_and_deleted_with_a_packed_record() {
    let mut shop = Shop::new().pruning();
    let all = manifests(0..MANY);
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("all.yaml", Some(&all))]);
    let report = shop.sync();
    assert_eq!((report.sync, report.totals.synced), (SyncStatus::Synced, MANY + 1));
    assert_eq!(shop.written().len(), MANY + 1);
    let stored = ledger(&shop).unwrap();
    let field = |place: &[&str]| stored.tree().dig(place).and_then(|text| text.as_str().map(str::to_owned));
    assert_eq!(field(&["data", "ledger"]).as_deref(), Some("{\"version\":9}"));
    let packed = field(&["binaryData", "ledger.z"]).unwrap();
    assert!(packed.len() < 100_000, "{} bytes are no packed record", packed.len());

    let again = shop.sync();
    assert!(again.receipt.is_none() && shop.written().is_empty(), "{:?}", again.receipt);
    assert_eq!(ledger(&shop).unwrap().resource_version(), stored.resource_version(), "not even the record");

    // A fifth goes, within the budget; a third would not.
    shop.commit("second", &[("all.yaml", Some(&manifests((0..MANY).filter(|name| name % 3 > 0))))]);
    let held = shop.sync();
    assert!(shop.written().is_empty() && held.is_blocked(), "{:?}", held.problems);
    shop.commit("third", &[("all.yaml", Some(&manifests((0..MANY).filter(|name| name % 5 > 0))))]);
    let report = shop.sync();
    assert_eq!(report.receipt.unwrap().phase, Phase::Succeeded);
    let gone = shop.written();
    assert!(gone.len() == MANY / 5 && gone.iter().all(|line| line.starts_with("delete ConfigMap shop/c")));
    assert!(shop.sync().receipt.is_none());

    let request = Request::to_delete().confirmed(Confirmation::of_all("ann", shop.time.now()));
    shop.app = shop.app.clone().with_request(request);
    let report = ready(reconcile::delete(&shop.app, shop.world())).unwrap().unwrap();
    assert_eq!(report.receipt.unwrap().phase, Phase::Succeeded);
    let left = shop.cluster.inner.with_server(|server| {
        server.objects().filter(|object| object.key().is("", "ConfigMap")).map(|left| left.key().to_string()).collect()
    });
    let left: Vec<String> = left;
    assert!(left.iter().all(|key| key.contains("kube-root-ca.crt")), "{left:?}");
    assert!(ledger(&shop).is_none());
}
