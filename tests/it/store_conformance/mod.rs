//! Every sentence of the store's contract as a case that every back end passes unchanged.
//!
//! A case is an async function over a [`World`]: a fresh, empty database and short ways to fill it. A back end joins by
//! one line in `conformance_suite!`; a case that is not registered there is an unused function, which the lints refuse.

mod audit;
mod claims;
mod client_catalogs;
mod clients;
mod deliveries;
mod enqueue;
mod event_redelivery;
mod events;
mod lifecycle;
mod lists;
mod nodes;
mod outbox;
mod pooled_database;
mod postgres_database;
mod postgres_faults;
mod postgres_statistics;
mod records;
mod redelivery;
mod releases;
mod retention;
mod secrets;
mod secrets_in_clear;
mod sessions;
mod signals;
mod signing;
mod sqlite_file;
mod stats;
mod upkeep;
mod webhook_states;
mod webhooks;
mod world;

use self::pooled_database::PooledDatabase;
use self::postgres_database::PostgresDatabase;
use self::sqlite_file::SqliteFile;
use self::world::World;

macro_rules! conformance_suite {
    ($($group:ident::$case:ident,)+) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$group::$case(super::World::on(super::SqliteFile::fresh()).await).await;
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs PostgreSQL, which tests/run starts"]
                async fn $case() {
                    super::$group::$case(super::World::on(super::PostgresDatabase::fresh()).await).await;
                }
            )+
        }

        mod pooled {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs PostgreSQL and PgBouncer, which tests/run installs"]
                async fn $case() {
                    super::$group::$case(super::World::on(super::PooledDatabase::fresh()).await).await;
                }
            )+
        }
    };
}

conformance_suite! {
    enqueue::an_event_and_its_delivery_come_back_as_they_went_in,
    enqueue::every_webhook_that_wants_the_type_gets_one_delivery,
    enqueue::an_event_that_nobody_wants_is_stored_without_deliveries,
    enqueue::answers_come_in_the_order_given,
    enqueue::a_key_that_was_used_gives_the_first_ids_back,
    enqueue::a_key_that_comes_twice_in_a_batch_stores_one_event,
    enqueue::a_key_belongs_to_its_client,
    enqueue::events_without_a_key_are_never_repeats,
    enqueue::a_repeat_gets_the_first_deliveries_whatever_became_of_them,
    enqueue::a_batch_with_an_event_of_an_unknown_client_stores_nothing,
    enqueue::an_event_id_that_is_taken_is_a_conflict_and_stores_nothing,
    enqueue::awkward_text_comes_back_unchanged,
    enqueue::text_with_nul_is_kept_whole_or_refused_whole,
    enqueue::payloads_are_kept_byte_for_byte,
    enqueue::an_empty_batch_has_an_empty_answer,

    client_catalogs::what_a_client_settled_comes_back_as_it_went_in,
    client_catalogs::what_somebody_else_settled_meanwhile_is_not_overwritten,
    client_catalogs::webhooks_that_are_called_so_have_a_new_version_then,
    client_catalogs::what_was_settled_goes_with_its_client,
    client_catalogs::keys_and_whole_payloads_are_encrypted_and_come_under_a_new_key,
    client_catalogs::a_whole_payload_is_kept_as_long_as_a_delivery_waits,
    client_catalogs::an_event_that_is_kept_only_when_wanted_is_stored_only_then,

    claims::deliveries_come_earliest_due_first,
    claims::nothing_is_claimed_before_it_is_due,
    claims::a_lane_gives_its_limit_and_no_more,
    claims::only_the_named_webhooks_are_claimed,
    claims::hundreds_of_lanes_are_claimed_at_once,
    claims::a_claim_carries_all_that_an_attempt_needs,
    claims::a_claim_carries_the_trace_of_its_events_producer,
    claims::a_claim_counts_earlier_attempts_and_series,
    claims::a_claimed_delivery_is_in_flight_and_not_claimed_again,
    claims::two_callers_never_share_a_delivery,
    claims::no_two_claims_of_a_delivery_have_the_same_token,
    claims::a_webhook_that_is_not_active_gives_nothing,
    claims::a_lane_is_due_although_what_is_held_of_it_is_not_due_yet,
    claims::lanes_due_names_active_webhooks_with_something_due,

    records::an_attempt_comes_back_as_it_went_in,
    records::whatever_a_receiver_says_is_recorded_and_comes_back,
    records::every_outcome_and_reason_comes_back,
    records::a_success_ends_a_delivery,
    records::a_retry_waits_until_it_is_due,
    records::a_dead_letter_keeps_its_reason,
    records::a_late_worker_gets_claim_lost_and_changes_nothing,
    records::a_claim_is_good_for_one_record,
    records::of_two_records_of_a_delivery_in_a_batch_one_counts,
    records::answers_tell_held_claims_from_lost_ones_in_order,
    records::a_failed_batch_leaves_nothing,
    records::a_retry_becomes_cancelled_when_its_webhook_is_deleted,
    records::an_end_stays_an_end_when_its_webhook_is_deleted,
    records::a_record_can_disable_its_webhook,
    records::a_lost_record_disables_nothing,
    records::what_an_old_edition_was_told_disables_no_new_one,
    records::a_record_disables_no_paused_webhook,

    releases::a_released_delivery_waits_as_before,
    releases::only_held_claims_are_released_and_counted,
    releases::a_released_delivery_of_a_deleted_webhook_is_cancelled,
    releases::claims_of_dead_nodes_are_taken_back_and_own_ones_stay,
    releases::a_delivery_of_a_deleted_webhook_is_taken_back_as_cancelled,

    nodes::a_node_that_beats_is_known_as_it_says,
    nodes::a_nodes_claims_are_counted,
    nodes::a_node_that_left_is_not_known,
    nodes::a_time_of_a_duty_is_had_once,
    nodes::duties_have_turns_of_their_own,
    nodes::of_a_lane_of_which_nothing_was_told_nothing_is_known,

    deliveries::redelivering_begins_a_new_series_from_every_state_but_in_flight,
    deliveries::a_redelivery_is_claimed_with_the_next_number,
    deliveries::a_delivery_in_flight_is_not_redelivered,
    deliveries::a_delivery_of_a_deleted_webhook_is_not_redelivered,
    deliveries::a_cancelled_delivery_is_finished_and_not_claimed,
    deliveries::only_pending_deliveries_are_cancelled,
    deliveries::people_change_only_what_is_in_their_scope,
    deliveries::a_delivery_is_shown_with_its_webhook_and_attempts,
    deliveries::a_deleted_webhook_is_still_shown_with_its_deliveries,

    lists::deliveries_are_listed_newest_first_within_their_scope,
    lists::pages_neither_overlap_nor_skip_when_deliveries_are_added,
    lists::deliveries_are_found_by_webhook_event_type_and_subject,
    lists::deliveries_are_found_by_state,
    lists::deliveries_are_found_by_the_time_they_were_made,
    lists::deliveries_are_found_by_the_time_they_ended,
    lists::a_clock_that_ran_backwards_hides_nothing,
    lists::filters_are_combined,
    lists::a_list_shows_the_last_attempt,
    lists::dead_letters_are_found_by_reason,
    lists::dead_letters_are_counted_by_webhook_and_reason,

    events::events_are_listed_newest_first_within_their_scope,
    events::events_are_found_by_type_and_subject,
    events::events_are_found_whenever_they_came_in,
    events::an_event_is_shown_with_its_deliveries,

    webhooks::a_full_definition_comes_back_as_it_went_in,
    webhooks::what_a_definition_leaves_open_stays_open,
    webhooks::a_webhook_needs_a_living_client,
    webhooks::a_client_has_one_webhook_of_a_type_code,
    webhooks::a_client_has_only_so_many_webhooks_for_an_event_of_a_catalogue,
    webhooks::of_webhooks_that_are_stored_at_once_only_so_many_are_taken,
    webhooks::an_update_replaces_the_definition_and_nothing_else,
    webhooks::an_update_of_an_old_version_is_stale,
    webhooks::an_update_needs_the_right_client_and_a_living_webhook,
    webhooks::an_update_takes_no_type_code_of_another_webhook,
    webhooks::an_update_changes_which_events_are_wanted,
    webhooks::webhooks_are_listed_newest_first_within_their_scope,
    webhooks::webhooks_that_live_are_read_by_their_ids,
    webhook_states::a_state_is_set_with_a_new_version,
    webhook_states::a_state_is_set_only_in_its_scope,
    webhook_states::a_deleted_webhook_is_found_no_more,
    webhook_states::a_deleted_webhooks_pending_deliveries_are_cancelled_and_no_others,
    webhook_states::what_a_deleted_webhook_leaves_over_is_cancelled_step_by_step,
    webhook_states::what_a_deleted_clients_webhooks_leave_over_is_cancelled_too,
    webhook_states::a_deleted_webhooks_secrets_are_gone,
    webhook_states::a_webhook_is_deleted_only_in_its_scope,

    secrets::what_is_kept_of_secrets_cannot_be_read_without_the_key,
    secrets::a_webhook_without_secrets_needs_no_key,
    secrets::secrets_that_were_moved_to_another_row_are_not_read,
    secrets::secrets_are_encrypted_anew_in_steps_and_nobody_notices,
    secrets::encrypting_anew_that_was_cut_short_goes_on_where_it_was,
    secrets::a_change_comes_under_the_newest_key,
    secrets::a_store_that_needs_an_unknown_key_is_not_opened,

    signing::a_new_key_is_the_first_and_those_before_it_end,
    signing::the_end_of_the_keys_before_is_told,
    signing::a_key_needs_a_living_webhook_in_the_scope,
    signing::a_change_of_the_definition_keeps_the_keys,
    signing::public_keys_are_shown_while_they_sign,
    signing::signing_keys_are_encrypted_and_encrypted_anew,

    clients::a_client_comes_back_as_it_went_in,
    clients::clients_are_listed_newest_first,
    clients::a_deleted_client_loses_its_keys_and_webhooks,
    clients::an_api_key_comes_back_as_it_went_in,
    clients::a_key_needs_a_living_client,
    clients::a_hash_opens_one_key,
    clients::keys_are_listed_within_their_scope,
    clients::keys_are_deleted_within_their_scope,
    clients::the_last_root_key_stays,
    clients::the_last_root_key_that_does_not_expire_stays,
    clients::the_latest_use_of_a_key_is_noted_and_nothing_else_changes,
    clients::uses_that_many_note_at_once_hold_up_nobody,
    clients::of_many_first_root_keys_one_is_stored,

    sessions::a_session_leads_to_its_key_until_it_ends,
    sessions::a_session_needs_a_living_key_and_goes_with_it,
    sessions::signing_out_ends_one_session,
    sessions::whoever_signs_in_clears_away_what_has_ended,

    audit::an_entry_says_who_changed_what_and_from_where,
    audit::every_change_of_a_webhook_leaves_its_entry,
    audit::what_changes_nothing_leaves_no_entry,
    audit::clients_keys_and_deliveries_leave_entries_too,
    audit::keys_that_sign_and_what_is_settled_for_catalogues_leave_entries_too,
    audit::entries_are_found_by_scope_object_and_time_in_pages,
    audit::the_database_refuses_to_alter_entries,
    audit::entries_go_by_their_age_alone_oldest_first,

    retention::age_counts_from_finished_at,
    retention::dead_letters_have_an_age_of_their_own,
    retention::what_is_not_finished_is_never_removed,
    retention::a_step_removes_the_oldest_up_to_its_limit,
    retention::an_event_stays_as_long_as_a_delivery_needs_it,
    retention::an_event_without_deliveries_goes_by_its_own_age,
    retention::an_event_younger_than_its_dead_letter_goes_later,
    retention::a_forgotten_key_can_be_used_again,

    event_redelivery::an_event_is_sent_again_to_all_that_have_it_and_all_that_want_it,
    event_redelivery::a_named_webhook_gets_an_event_whatever_it_wants,
    event_redelivery::what_is_in_flight_stays_and_what_is_deleted_gets_nothing,
    event_redelivery::an_event_and_its_webhook_must_be_there,
    event_redelivery::an_event_that_got_a_delivery_is_kept_for_it,

    redelivery::a_job_comes_back_as_it_went_in,
    redelivery::dead_letters_are_sent_again_at_a_rate_and_in_order,
    redelivery::a_job_goes_on_after_a_stop_where_it_was,
    redelivery::only_what_fits_is_sent_again,
    redelivery::a_webhook_gets_what_it_has_not_got_since_a_time,
    redelivery::two_callers_never_take_the_same_step,
    redelivery::a_cancelled_job_takes_no_step_and_leaves_entries,
    redelivery::a_job_needs_its_clients_own_living_webhook,
    redelivery::ended_jobs_go_by_their_age_and_running_ones_stay,

    stats::attempts_are_counted_by_outcome_webhook_and_minute,
    stats::hours_are_counted_as_minutes_are,
    stats::statistics_keep_to_their_scope_and_webhook,
    stats::every_hour_of_a_week_is_counted_once,
    stats::every_hour_of_a_day_of_many_webhooks_is_counted_once,
    stats::a_week_is_of_all_webhooks_of_its_scope_and_of_no_other,
    stats::what_waits_and_what_was_given_up_is_counted,
    stats::what_is_in_flight_does_not_wait,
    stats::a_deleted_webhook_counts_in_the_whole_alone,
    stats::minutes_and_hours_go_by_their_age,
    stats::what_is_left_of_a_week_is_the_same_of_webhooks_and_of_all,

    upkeep::a_webhook_that_only_fails_is_failing,
    upkeep::a_success_ends_the_failing,
    upkeep::failures_on_one_side_are_not_enough,
    upkeep::what_was_before_a_change_of_state_does_not_count,
    upkeep::setting_the_same_state_again_keeps_what_was_counted,
    upkeep::only_active_webhooks_are_failing,
    upkeep::an_active_webhook_is_disabled_once,
    upkeep::tidying_loses_nothing,
    upkeep::pending_deliveries_are_counted_as_far_as_asked,

    signals::an_enqueue_says_for_which_webhooks,
    signals::an_enqueue_that_stores_no_delivery_says_nothing,
    signals::whatever_makes_deliveries_due_says_so,
    signals::whatever_changes_a_webhook_says_so,
    signals::what_changes_nothing_says_nothing,

    lifecycle::everything_is_there_after_reopening,
    lifecycle::claims_end_with_their_process_once_they_are_taken_back,
    lifecycle::a_write_is_finished_although_its_caller_went_away,
    lifecycle::calls_after_closing_fail,
}
