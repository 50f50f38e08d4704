//! The issuer as clients and browsers meet it, on a store of either kind.

mod backchannel;
mod browser;
mod errors;
mod exchange;
mod feed;
mod flows;
mod logout;
mod site;
mod socket;

use crate::store::tests::on_both_databases;

mod flow {
    use super::*;
    on_both_databases!(crate::issuer::tests::flows:
        the_metadata_names_only_addresses_that_answer
        the_keys_are_published_for_caches
        a_browser_logs_in_once_and_clients_get_tokens
        a_client_gets_a_token_for_itself
        refresh_tokens_rotate_and_a_copy_ends_the_session
        a_refreshed_token_has_what_its_subject_may_do_today
        a_code_that_is_presented_twice_ends_its_session
        a_code_is_spent_by_its_client_whatever_comes_of_it
        two_who_present_one_code_at_once_get_one_session
        tokens_are_given_back
        tokens_are_introspected_by_those_whom_they_concern
        an_outage_of_the_store_signs_nobody_out
        everything_is_rebuilt_from_the_log
        whoever_is_shut_out_is_out_everywhere
    );
}

mod error {
    use super::*;
    on_both_databases!(crate::issuer::tests::errors:
        clients_that_do_not_show_themselves_are_refused_alike
        token_requests_that_make_no_sense_have_their_codes
        authorization_requests_that_make_no_sense_go_back_with_their_codes
        without_a_client_or_an_address_nobody_is_sent_anywhere
        userinfo_challenges_as_the_standard_says
        clients_and_accounts_that_make_no_sense_are_not_made
        whoever_asks_too_often_is_slowed_down
        addresses_that_are_not_there_say_so
    );
}

mod browsing {
    use super::*;
    on_both_databases!(crate::issuer::tests::browser:
        a_form_from_another_site_logs_nobody_in
        a_wrong_password_is_asked_for_again
        prompts_and_ages_are_heeded
        a_cut_logs_browsers_out_too
    );
}

mod exchanging {
    use super::*;
    on_both_databases!(crate::issuer::tests::exchange:
        a_token_is_exchanged_for_a_narrower_one
        acting_for_somebody_is_off_unless_switched_on
        whoever_may_acts_for_somebody_and_it_can_be_seen
        what_is_exchanged_ends_with_what_it_came_from
        exchanges_that_make_no_sense_are_refused
    );
}

mod ending {
    use super::*;
    on_both_databases!(crate::issuer::tests::logout:
        a_hint_logs_out_and_sends_back
        without_a_hint_somebody_is_asked_first
        unregistered_addresses_are_not_gone_to
        a_logout_ends_what_came_from_the_login_but_not_what_outlives_it
    );
}

mod feeding {
    use super::*;
    on_both_databases!(crate::issuer::tests::feed:
        what_ends_is_told_once_and_in_order
        a_question_is_held_until_something_ends
        the_feed_is_for_nodes_and_has_its_errors
        whoever_is_signed_out_at_the_issuer_is_out_on_the_node
        changed_rights_need_a_new_token_and_any_will_do
    );
}

mod telling {
    use super::*;
    on_both_databases!(crate::issuer::tests::backchannel:
        a_client_is_told_once_of_the_end_of_its_session
        a_client_that_is_away_is_told_later
        a_client_that_takes_no_such_token_is_left_alone
        what_nobody_wants_to_know_is_not_told
        whoever_comes_back_too_late_is_not_told_any_more
    );
}
