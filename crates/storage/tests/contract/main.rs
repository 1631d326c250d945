//! What every storage backend has to do, run on a real file system of each kind.
//!
//! btrfs, XFS and ext4 need root and loop devices and are skipped without, which the test says; the hardlink backend
//! runs on the temporary directory always.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod catalog_copies;
mod census;
mod check;
mod crash;
mod driver;
mod history;
mod image_crash;
mod image_driver;
mod image_power;
mod images;
mod lab;
mod mend;
mod pool;
mod power;
mod published;
mod refusals;
mod resume;
mod reuse;
mod scenarios;
mod sizes;
mod speed;
mod transfer;

/// Makes a module per kind of storage with a test per scenario.
macro_rules! contract {
    ($($area:ident :: $scenario:ident),* $(,)?) => {
        contract!(@kind btrfs, Btrfs, $($area :: $scenario),*);
        contract!(@kind xfs, Xfs, $($area :: $scenario),*);
        contract!(@kind ext4, Ext4, $($area :: $scenario),*);
        contract!(@kind plain, Plain, $($area :: $scenario),*);
    };
    (@kind $module:ident, $kind:ident, $($area:ident :: $scenario:ident),*) => {
        mod $module {
            $(
                #[test]
                fn $scenario() {
                    if let Some(lab) = crate::lab::Lab::create(crate::lab::Kind::$kind) {
                        crate::$area::$scenario(lab);
                    }
                }
            )*
        }
    };
}

contract!(
    scenarios::first_backup_is_complete,
    scenarios::unchanged_backup_takes_nothing,
    scenarios::changes_are_taken_in_and_the_base_stays,
    scenarios::types_change_into_each_other,
    scenarios::large_file_is_patched_in_place,
    scenarios::sparse_file_stays_sparse,
    scenarios::hard_links_are_kept_and_split,
    scenarios::metadata_alone_changes,
    scenarios::default_access_lists_are_not_inherited,
    scenarios::odd_names_and_deep_paths,
    scenarios::any_backup_can_be_deleted,
    scenarios::unreadable_files_are_skipped,
    scenarios::content_from_many_threads,
    scenarios::a_full_disk_is_told_and_leaves_the_committed,
    resume::after_suspend,
    resume::after_drop,
    resume::twice_after_drops,
    resume::after_the_base_was_deleted,
    resume::after_a_power_loss,
    reuse::content_of_another_client,
    reuse::content_of_the_same_backup,
    reuse::stale_locations_are_refused,
    reuse::ownership_passes_on,
    reuse::index_is_rebuilt,
    reuse::the_limit_of_links_is_no_obstacle,
    pool::unchanged_directories_are_pooled,
    pool::a_change_beneath_a_pooled_directory,
    pool::a_change_between_two_sessions_beneath_a_pooled_directory,
    pool::pooled_directories_are_freed,
    pool::repair_after_damage,
    refusals::malicious_names,
    refusals::order_and_contents,
    refusals::opening_is_refused_for_a_reason,
    catalog_copies::a_copy_is_listed_when_it_is_finished_and_nobody_else_reads_it,
    catalog_copies::what_a_copy_leaves_that_was_cut_short_is_no_copy_and_goes,
    catalog_copies::killed_at_any_point_a_copy_is_whole_or_not_there,
    catalog_copies::an_examination_finds_what_the_storage_is_and_leaves_no_trace,
    published::a_disk_is_listed_when_it_is_finished_and_nobody_else_reads_it,
    published::what_a_disk_leaves_that_was_cut_short_goes_with_the_next_start,
    published::a_record_that_makes_no_sense_leads_nowhere,
    published::published_disks_are_no_backups,
    published::killed_at_any_point_a_disk_is_whole_or_not_there,
    history::random_history,
    crash::every_point,
    images::a_random_history_of_images,
    images::an_image_that_did_not_change_takes_next_to_nothing,
    images::what_stood_on_a_deleted_image_is_read_all_the_while,
    images::a_base_that_is_deleted_while_an_image_waits_to_go_on,
    images::a_damaged_base_harms_no_new_image,
    image_crash::every_point_of_an_images_life,
    sizes::a_random_history_is_counted_as_a_census_finds_it,
    sizes::deleting_frees_what_was_foretold,
    sizes::unchanged_files_are_not_asked_for,
    sizes::the_base_may_go_before_its_successor_is_counted,
    sizes::what_was_sent_again_is_counted,
    sizes::work_that_is_ended_goes_on_where_it_was,
    sizes::a_damaged_or_missing_ledger_is_made_anew,
    mend::content_is_replaced_from_wherever_it_is_right,
    mend::all_names_and_metadata_of_a_file_stay,
    mend::what_was_shared_is_shared_again,
    mend::pooled_directories_are_mended_for_all,
    mend::damage_goes_on_to_be_known_in_what_grows_from_it,
    mend::blocks_of_volumes_come_from_other_images,
    mend::killed_at_any_point_content_is_old_or_new,
    transfer::it_is_there_already_or_in_the_way,
    transfer::each_comes_after_what_it_grew_from,
    transfer::what_was_cancelled_goes_on,
    transfer::a_large_file_is_shared_after_an_interruption_too,
    transfer::what_is_there_of_a_directory_is_kept,
    transfer::a_full_target_is_told_and_nothing_is_broken,
    transfer::damaged_content_is_told_and_nothing_is_built_on_it,
    transfer::a_damaged_volume_is_told_and_the_next_image_is_sound,
    transfer::killed_at_any_point_it_ends_right,
);
