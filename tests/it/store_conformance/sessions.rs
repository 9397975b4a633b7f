//! Who is signed in to the dashboard.

use webhook_dispatcher::domain::client::{ApiKey, Role};
use webhook_dispatcher::domain::session::{Session, SessionHash};
use webhook_dispatcher::store::records::Scope;

use super::world::{World, at};

async fn key(world: &World, role: Role) -> ApiKey {
    let client = if role == Role::Root { None } else { Some(world.client().await) };
    let key = world.new_key(role, client);
    assert!(world.store.insert_api_key(key.clone(), None).await.unwrap());
    key
}

fn session(token: &str, key: &ApiKey, seconds: (i64, i64)) -> Session {
    Session { hash: SessionHash::of(token), key_id: key.id, created_at: at(seconds.0), expires_at: at(seconds.1) }
}

pub(super) async fn a_session_leads_to_its_key_until_it_ends(world: World) {
    let (viewer, root) = (key(&world, Role::Viewer).await, key(&world, Role::Root).await);
    let (one, other) = (session("one", &viewer, (100, 200)), session("other", &root, (110, 300)));
    assert!(world.store.insert_session(one).await.unwrap());
    assert!(world.store.insert_session(other).await.unwrap());
    let found = async |session: Session, seconds| world.store.session_key(session.hash, at(seconds)).await.unwrap();

    assert_eq!(found(one, 199).await, Some(viewer));
    assert_eq!(found(one, 200).await, None);
    assert_eq!(found(other, 200).await, Some(root));
    assert_eq!(world.store.session_key(SessionHash::of("nobody's"), at(150)).await.unwrap(), None);
}

pub(super) async fn a_session_needs_a_living_key_and_goes_with_it(world: World) {
    let (admin, operator) = (key(&world, Role::Admin).await, key(&world, Role::Operator).await);
    let never_stored = world.new_key(Role::Root, None);
    assert!(!world.store.insert_session(session("never", &never_stored, (100, 200))).await.unwrap());
    for (token, key) in [("admin", &admin), ("operator", &operator)] {
        assert!(world.store.insert_session(session(token, key, (100, 200))).await.unwrap());
    }

    world.store.delete_api_key(Scope::All, admin.id, None).await.unwrap();
    world.store.delete_client(operator.client_id.unwrap(), at(120), None).await.unwrap();

    for token in ["never", "admin", "operator"] {
        assert_eq!(world.store.session_key(SessionHash::of(token), at(150)).await.unwrap(), None, "{token}");
    }
    assert!(!world.store.insert_session(session("again", &admin, (130, 200))).await.unwrap());
}

pub(super) async fn signing_out_ends_one_session(world: World) {
    let viewer = key(&world, Role::Viewer).await;
    for token in ["here", "there"] {
        assert!(world.store.insert_session(session(token, &viewer, (100, 200))).await.unwrap());
    }

    world.store.end_session(SessionHash::of("here")).await.unwrap();
    world.store.end_session(SessionHash::of("here")).await.unwrap();

    assert_eq!(world.store.session_key(SessionHash::of("here"), at(150)).await.unwrap(), None);
    assert_eq!(world.store.session_key(SessionHash::of("there"), at(150)).await.unwrap(), Some(viewer));
}

pub(super) async fn whoever_signs_in_clears_away_what_has_ended(world: World) {
    let viewer = key(&world, Role::Viewer).await;
    for (token, ends) in [("ended", 200), ("lives", 201)] {
        assert!(world.store.insert_session(session(token, &viewer, (100, ends))).await.unwrap());
    }

    assert!(world.store.insert_session(session("new", &viewer, (200, 400))).await.unwrap());

    // Read as of a time at which all of them lived.
    for (token, is_there) in [("ended", false), ("lives", true), ("new", true)] {
        let found = world.store.session_key(SessionHash::of(token), at(150)).await.unwrap();
        assert_eq!(found.is_some(), is_there, "{token}");
    }
}
