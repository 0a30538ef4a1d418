//! `/api/users/:uid/2fa…`: what staff may do.

use serde_json::{Value, json};
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, Enrolled, PASSWORD, TestApp, totp};
use crate::errors::{
    ENDPOINT_REQUIRES_SECOND_FACTOR, INSUFFICIENT_PERMISSIONS, INVALID_SECOND_FACTOR, INVALID_USER, NOT_AUTHENTICATED,
    UNAVAILABLE,
};
use crate::routes::NO_FACTOR;

on_both_engines!(
    staff_see_the_factors_of_others,
    staff_remove_factors_of_others,
    a_factor_under_another_users_path_is_404_and_stays,
    staff_do_not_touch_their_own_factors_here,
    scripts_with_the_scope_need_no_reverification,
    the_switch_of_accounts_shuts_scripts_without_power_over_switches,
    staff_with_a_factor_show_it_to_change_anything,
    staff_who_remove_their_last_factor_are_shut_out_at_once_and_everywhere,
    staff_whose_last_factor_is_removed_by_staff_are_shut_out_at_once_and_everywhere,
    staff_whose_last_factor_is_removed_by_the_operator_are_shut_out_at_once_and_everywhere,
    who_has_a_factor_is_promoted_and_uses_it,
);

fn path(user: &Client, rest: &str) -> String {
    format!("/api/users/{}/2fa{rest}", user.id())
}

fn proof() -> Value {
    json!({"password": PASSWORD})
}

fn staff_see_the_factors_of_others(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let (_, Enrolled { id, .. }) = ada.enrol_totp(&app);
    for rest in [String::new(), format!("/{id}")] {
        let own = ada.get(&format!("/api/users/me/2fa{rest}")).expect(200);
        assert_eq!(root.get(&path(&ada, &rest)).expect(200), own);
    }
    root.get("/api/users/1000000000000/2fa").is(INVALID_USER);
    root.get(&format!("/api/users/1000000000000/2fa/{id}")).is(INVALID_USER);
    root.get(&path(&ada, "/x")).is(INVALID_SECOND_FACTOR);
}

fn staff_remove_factors_of_others(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    for (rest, body, count) in [("/:id", proof(), None), ("", proof(), Some(1)), ("/all", proof(), Some(1))] {
        let user = app.spare();
        let (_, Enrolled { id, .. }) = user.enrol_totp(&app);
        let mut body = body;
        body["ids"] = json!([id, NO_FACTOR]);
        let answer = root.delete_with(&path(&user, &rest.replace(":id", &id)), &body).expect(200);
        assert_eq!(answer["count"], json!(count));
        assert_eq!(user.factor_count(), 0);
        // Nothing is asked for any more, and no code is left.
        assert!(user.works() && user.log_in(user.name()).works());
    }
    for (path, told) in [
        (path(&root, &format!("/{NO_FACTOR}")).replace(root.id(), "1000000000000"), INVALID_USER),
        (path(&app.spare(), &format!("/{NO_FACTOR}")), INVALID_SECOND_FACTOR),
    ] {
        root.delete_with(&path, &proof()).is(told);
    }
}

fn a_factor_under_another_users_path_is_404_and_stays(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob, root) = (app.user("ada"), app.user("bob"), app.staff("root"));
    let (_, Enrolled { id, .. }) = ada.enrol_totp(&app);
    let elsewhere = path(&bob, &format!("/{id}"));
    root.get(&elsewhere).is(INVALID_SECOND_FACTOR);
    root.delete_with(&elsewhere, &proof()).is(INVALID_SECOND_FACTOR);
    let some = root.delete_with(&path(&bob, ""), &json!({"ids": [id], "password": PASSWORD}));
    assert_eq!(some.expect(200)["count"], 0);
    assert_eq!(root.delete_with(&path(&bob, "/all"), &proof()).expect(200)["count"], 0);
    assert_eq!(ada.factor_count(), 1);
}

fn staff_do_not_touch_their_own_factors_here(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    let script = root.scoped(&[Scope::StaffModifySecondFactors]);
    let (_, Enrolled { id, .. }) = root.enrol_totp(&app);
    for rest in [format!("/{id}"), "/all".to_owned(), String::new()] {
        for caller in [&root, &script] {
            let body = json!({"ids": [id], "password": PASSWORD});
            caller.delete_with(&path(&root, &rest), &body).is(INSUFFICIENT_PERMISSIONS);
        }
    }
    assert_eq!(root.get(&path(&root, "")).expect(200)["count"], 1);
}

fn scripts_with_the_scope_need_no_reverification(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    ada.enrol_totp(&app);
    let reader = root.scoped(&[Scope::StaffReadSecondFactors]);
    assert_eq!(reader.get(&path(&ada, "")).expect(200)["count"], 1);
    reader.delete(&path(&ada, "/all")).is(INSUFFICIENT_PERMISSIONS);
    let remover = root.scoped(&[Scope::StaffModifySecondFactors]);
    remover.get(&path(&ada, "")).is(INSUFFICIENT_PERMISSIONS);
    assert_eq!(remover.delete(&path(&ada, "/all")).expect(200)["count"], 1);
}

fn the_switch_of_accounts_shuts_scripts_without_power_over_switches(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    ada.enrol_totp(&app);
    let script = root.scoped(&[Scope::StaffModifySecondFactors]);
    app.switch(KillSwitch::AccountModify, true);
    script.delete(&path(&ada, "/all")).is_with(UNAVAILABLE, json!({"feature": 1}));
    assert_eq!(ada.factor_count(), 1);
    assert_eq!(root.delete_with(&path(&ada, "/all"), &proof()).expect(200)["count"], 1);
}

fn staff_with_a_factor_show_it_to_change_anything(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.staff_factor = StaffFactor::Required);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    ada.enrol_totp(&app);
    root.get(&path(&ada, "")).is(ENDPOINT_REQUIRES_SECOND_FACTOR);
    let (phone, _) = root.enrol_totp(&app);
    assert_eq!(root.get(&path(&ada, "")).expect(200)["count"], 1);
    let all = path(&ada, "/all");
    let challenge = root.challenged("DELETE", &all, &json!({}));
    assert_eq!(ada.factor_count(), 1);
    let answer = totp(&challenge, &phone.fresh_code(&app));
    assert_eq!(root.answer("DELETE", &all, &json!({}), &answer).expect(200)["count"], 1);
}

/// Two servers that demand a factor of staff, a user, and a staff member with one factor and two sessions.
struct Scene {
    app: TestApp,
    replica: TestApp,
    ada: Client,
    root: Client,
    script: Client,
    enrolled: Enrolled,
}

impl Scene {
    fn start(database: TestDatabase) -> Self {
        let app = TestApp::with(database, |config| config.policy.staff_factor = StaffFactor::Required);
        let replica = app.replica();
        let (ada, root) = (app.user("ada"), app.staff("root"));
        let (_, enrolled) = root.enrol_totp(&app);
        let script = root.scoped_by_backup(&[Scope::All], &enrolled.codes[0]);
        let scene = Self { app, replica, ada, root, script, enrolled };
        for client in scene.everywhere() {
            client.get("/api/users").expect(200);
        }
        scene
    }

    fn everywhere(&self) -> [Client; 4] {
        let (root, script) = (&self.root, &self.script);
        [root.clone(), script.clone(), root.at(&self.replica), script.at(&self.replica)]
    }

    fn is_shut(&self) {
        for client in self.everywhere() {
            client.get("/api/users").is(ENDPOINT_REQUIRES_SECOND_FACTOR);
            client.delete_with(&path(&self.ada, "/all"), &proof()).is(ENDPOINT_REQUIRES_SECOND_FACTOR);
            assert!(client.works(), "what is not a staff endpoint is open");
        }
    }
}

fn staff_who_remove_their_last_factor_are_shut_out_at_once_and_everywhere(database: TestDatabase) {
    let scene = Scene::start(database);
    let path = format!("/api/users/me/2fa/{}", scene.enrolled.id);
    scene.root.by_backup(&scene.enrolled.codes[1], "DELETE", &path, &json!({})).expect(200);
    scene.is_shut();
    scene.root.enrol_totp(&scene.app);
    for client in scene.everywhere() {
        client.get("/api/users").expect(200);
    }
}

fn staff_whose_last_factor_is_removed_by_staff_are_shut_out_at_once_and_everywhere(database: TestDatabase) {
    let scene = Scene::start(database);
    let boss = scene.app.staff("boss");
    let (_, Enrolled { codes, .. }) = boss.enrol_totp(&scene.app);
    boss.by_backup(&codes[0], "DELETE", &path(&scene.root, "/all"), &json!({})).expect(200);
    scene.is_shut();
    boss.at(&scene.replica).get("/api/users").expect(200);
}

fn staff_whose_last_factor_is_removed_by_the_operator_are_shut_out_at_once_and_everywhere(database: TestDatabase) {
    let scene = Scene::start(database);
    block_on(scene.app.operator().factor_remove("root", scene.enrolled.id.parse().unwrap())).unwrap();
    scene.is_shut();
}

fn who_has_a_factor_is_promoted_and_uses_it(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.staff_factor = StaffFactor::Required);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let hers = ada.enrol_totp(&app).1.codes;
    let (_, Enrolled { codes, .. }) = root.enrol_totp(&app);
    ada.get("/api/users").is(INSUFFICIENT_PERMISSIONS);
    let promotion = format!("/api/users/{}/staff", ada.id());
    assert_eq!(root.by_backup(&codes[0], "PUT", &promotion, &json!({})).expect(200)["staff"], true);
    ada.get("/api/users").is(NOT_AUTHENTICATED);
    ada.login_by_backup(&hers[0]).get("/api/users").expect(200);
}
