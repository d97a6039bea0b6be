;; A very small runtime of Substrate, for tests. It imports its memory and the functions of the
;; host as a real one does. Its blocks are lists of transactions, and nothing is checked.
;;
;; The functions do_* call one function of the host each, with their input: a slice, or a key
;; after one byte with its length, and a value.
(module
  (import "env" "memory" (memory 2))
  (import "env" "ext_storage_get_version_1" (func $get (param i64) (result i64)))
  (import "env" "ext_storage_set_version_1" (func $set (param i64 i64)))
  (import "env" "ext_storage_clear_version_1" (func $clear (param i64)))
  (import "env" "ext_storage_exists_version_1" (func $exists (param i64) (result i32)))
  (import "env" "ext_storage_read_version_1" (func $read (param i64 i64 i32) (result i64)))
  (import "env" "ext_storage_append_version_1" (func $append (param i64 i64)))
  (import "env" "ext_storage_next_key_version_1" (func $next (param i64) (result i64)))
  (import "env" "ext_storage_clear_prefix_version_2" (func $clear_prefix (param i64 i64) (result i64)))
  (import "env" "ext_storage_start_transaction_version_1" (func $start))
  (import "env" "ext_storage_commit_transaction_version_1" (func $commit))
  (import "env" "ext_storage_rollback_transaction_version_1" (func $rollback))
  (import "env" "ext_storage_root_version_2" (func $root (param i32) (result i64)))
  (import "env" "ext_trie_blake2_256_ordered_root_version_2" (func $list_root (param i64 i32) (result i32)))
  (import "env" "ext_hashing_blake2_128_version_1" (func $blake2_128 (param i64) (result i32)))
  (import "env" "ext_hashing_blake2_256_version_1" (func $blake2_256 (param i64) (result i32)))
  (import "env" "ext_hashing_twox_64_version_1" (func $twox_64 (param i64) (result i32)))
  (import "env" "ext_hashing_twox_128_version_1" (func $twox_128 (param i64) (result i32)))
  (import "env" "ext_hashing_keccak_256_version_1" (func $keccak_256 (param i64) (result i32)))
  (import "env" "ext_crypto_sr25519_verify_version_2" (func $sr25519 (param i32 i64 i32) (result i32)))
  (import "env" "ext_crypto_ed25519_verify_version_1" (func $ed25519 (param i32 i64 i32) (result i32)))
  (import "env" "ext_logging_log_version_1" (func $log (param i32 i64 i64)))
  (import "env" "ext_misc_runtime_version_version_1" (func $version_of (param i64) (result i64)))
  (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
  (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
  (import "env" "ext_nobody_has_version_1" (func $unknown))

  (global (export "__heap_base") i32 (i32.const 65536))

  ;; 0: SCALE of RuntimeVersion: names "tiny" and "tiny", versions 1, 7, 1, no APIs, 1, state 1
  (data (i32.const 0) "\10tiny\10tiny\01\00\00\00\07\00\00\00\01\00\00\00\00\01\00\00\00\01")
  (data (i32.const 64) "head")  ;; the key of the header that is made
  (data (i32.const 72) "list")  ;; the key of the transactions
  (data (i32.const 80) "meta")  ;; the key of the metadata
  (data (i32.const 96) "\00\00") ;; the result of a transaction that went well
  (data (i32.const 100) "\01\00\03") ;; the validity of a stale one

  (func $slice (param $at i32) (param $length i32) (result i64)
    (i64.or (i64.extend_i32_u (local.get $at)) (i64.shl (i64.extend_i32_u (local.get $length)) (i64.const 32))))
  ;; the key and the value of an input
  (func $key (param $at i32) (result i64)
    (call $slice (i32.add (local.get $at) (i32.const 1)) (i32.load8_u (local.get $at))))
  (func $value (param $at i32) (param $length i32) (result i64) (local $skip i32)
    (local.set $skip (i32.add (i32.const 1) (i32.load8_u (local.get $at))))
    (call $slice (i32.add (local.get $at) (local.get $skip)) (i32.sub (local.get $length) (local.get $skip))))
  ;; 4 bytes with a number
  (func $number (param $v i32) (result i64) (local $at i32)
    (local.set $at (call $malloc (i32.const 4)))
    (i32.store (local.get $at) (local.get $v))
    (call $slice (local.get $at) (i32.const 4)))

  (data (i32.const 112) "\70\17\00\00\00\00\00\00") ;; a slot of 6,000 ms
  (func (export "AuraApi_slot_duration") (param i32 i32) (result i64) (call $slice (i32.const 112) (i32.const 8)))
  (func (export "Core_version") (param i32 i32) (result i64) (call $slice (i32.const 0) (i32.const 28)))

  ;; The metadata is a value of the state. Without a state there is none: a list of no bytes.
  (func (export "Metadata_metadata") (param i32 i32) (result i64) (local $got i64)
    (local.set $got (call $get (call $slice (i32.const 80) (i32.const 4))))
    (call $slice (i32.add (i32.wrap_i64 (local.get $got)) (i32.const 1)) (i32.sub (i32.wrap_i64 (i64.shr_u (local.get $got) (i64.const 32))) (i32.const 1))))

  (func (export "Core_initialize_block") (param $at i32) (param $length i32) (result i64)
    (call $set (call $slice (i32.const 64) (i32.const 4)) (call $slice (local.get $at) (local.get $length)))
    (call $clear (call $slice (i32.const 72) (i32.const 4)))
    (call $slice (i32.const 0) (i32.const 0)))

  ;; Appends the transaction to the list, as bytes with their length: up to 63, or up to 16,383.
  (func (export "BlockBuilder_apply_extrinsic") (param $at i32) (param $length i32) (result i64) (local $item i32) (local $width i32)
    (local.set $item (call $malloc (i32.add (local.get $length) (i32.const 2))))
    (if (i32.lt_u (local.get $length) (i32.const 64))
      (then (i32.store8 (local.get $item) (i32.shl (local.get $length) (i32.const 2))) (local.set $width (i32.const 1)))
      (else (i32.store16 (local.get $item) (i32.or (i32.shl (local.get $length) (i32.const 2)) (i32.const 1))) (local.set $width (i32.const 2))))
    (memory.copy (i32.add (local.get $item) (local.get $width)) (local.get $at) (local.get $length))
    (call $append (call $slice (i32.const 72) (i32.const 4)) (call $slice (local.get $item) (i32.add (local.get $length) (local.get $width))))
    (call $slice (i32.const 96) (i32.const 2)))

  ;; The header has 33 bytes before its roots: the parent, and a number of up to 63.
  (func (export "BlockBuilder_finalize_block") (param i32 i32) (result i64) (local $head i64) (local $at i32) (local $list i64)
    (local.set $head (call $get (call $slice (i32.const 64) (i32.const 4))))
    (local.set $at (call $skip (local.get $head)))
    (local.set $list (call $get (call $slice (i32.const 72) (i32.const 4))))
    (memory.copy (i32.add (local.get $at) (i32.const 65))
      (call $list_root (call $slice (i32.add (i32.wrap_i64 (local.get $list)) (call $width (local.get $list)))
                                    (i32.sub (i32.wrap_i64 (i64.shr_u (local.get $list) (i64.const 32))) (call $width (local.get $list)))) (i32.const 0))
      (i32.const 32))
    (memory.copy (i32.add (local.get $at) (i32.const 33)) (i32.wrap_i64 (call $root (i32.const 1))) (i32.const 32))
    (call $slice (local.get $at) (i32.sub (i32.wrap_i64 (i64.shr_u (local.get $head) (i64.const 32))) (call $width (local.get $head)))))
  ;; the bytes before the value of an option: 1, and those of its length
  (func $width (param $option i64) (result i32)
    (i32.add (i32.const 2) (i32.and (i32.load8_u (i32.add (i32.wrap_i64 (local.get $option)) (i32.const 1))) (i32.const 1))))
  (func $skip (param $option i64) (result i32)
    (i32.add (i32.wrap_i64 (local.get $option)) (call $width (local.get $option))))

  ;; Each transaction is valid for 8 blocks. It provides nonce 0 of the account at byte 5 of the
  ;; input's extrinsic: after its length (2 bytes), the version and the kind of address.
  (func (export "TaggedTransactionQueue_validate_transaction") (param $at i32) (param $length i32) (result i64) (local $out i32)
    (if (i32.lt_u (local.get $length) (i32.const 100))
      (then (return (call $slice (i32.const 100) (i32.const 3)))))
    (local.set $out (call $malloc (i32.const 64)))
    (memory.fill (local.get $out) (i32.const 0) (i32.const 64))
    (i32.store8 offset=1 (local.get $out) (i32.const 5))              ;; priority
    (i32.store8 offset=10 (local.get $out) (i32.const 4))             ;; one tag
    (i32.store8 offset=11 (local.get $out) (i32.const 144))           ;; of 36 bytes
    (memory.copy (i32.add (local.get $out) (i32.const 12)) (i32.add (local.get $at) (i32.const 5)) (i32.const 32))
    (i32.store8 offset=48 (local.get $out) (i32.const 8))             ;; longevity
    (call $slice (local.get $out) (i32.const 57)))

  (func (export "do_get") (param $at i32) (param $length i32) (result i64) (call $get (call $slice (local.get $at) (local.get $length))))
  (func (export "do_set") (param $at i32) (param $length i32) (result i64)
    (call $set (call $key (local.get $at)) (call $value (local.get $at) (local.get $length)))
    (call $slice (i32.const 0) (i32.const 0)))
  (func (export "do_clear") (param $at i32) (param $length i32) (result i64)
    (call $clear (call $slice (local.get $at) (local.get $length)))
    (call $slice (i32.const 0) (i32.const 0)))
  (func (export "do_exists") (param $at i32) (param $length i32) (result i64)
    (call $number (call $exists (call $slice (local.get $at) (local.get $length)))))
  ;; Reads a value from byte 2 into room for 4 bytes. Returns the room, and then what read says.
  (func (export "do_read") (param $at i32) (param $length i32) (result i64) (local $out i32) (local $said i32)
    (local.set $out (call $malloc (i32.const 16)))
    (memory.fill (local.get $out) (i32.const 0) (i32.const 16))
    (local.set $said (i32.wrap_i64 (call $read (call $slice (local.get $at) (local.get $length)) (call $slice (local.get $out) (i32.const 4)) (i32.const 2))))
    (i32.store8 offset=4 (local.get $out) (i32.load8_u (local.get $said)))
    (if (i32.load8_u (local.get $said)) (then (i32.store offset=5 (local.get $out) (i32.load offset=1 (local.get $said)))))
    (call $slice (local.get $out) (i32.const 9)))
  (func (export "do_append") (param $at i32) (param $length i32) (result i64)
    (call $append (call $key (local.get $at)) (call $value (local.get $at) (local.get $length)))
    (call $slice (i32.const 0) (i32.const 0)))
  (func (export "do_next") (param $at i32) (param $length i32) (result i64) (call $next (call $slice (local.get $at) (local.get $length))))
  (func (export "do_clear_prefix") (param $at i32) (param $length i32) (result i64)
    (call $clear_prefix (call $key (local.get $at)) (call $value (local.get $at) (local.get $length))))
  ;; Sets a value in a layer that is kept, and the key of the value in one that is not.
  (func (export "do_layers") (param $at i32) (param $length i32) (result i64)
    (call $start)
    (call $set (call $key (local.get $at)) (call $value (local.get $at) (local.get $length)))
    (call $start)
    (call $set (call $value (local.get $at) (local.get $length)) (call $key (local.get $at)))
    (call $clear (call $key (local.get $at)))
    (call $rollback)
    (call $commit)
    (call $get (call $value (local.get $at) (local.get $length))))
  (func (export "do_rollback") (param i32 i32) (result i64) (call $rollback) (call $slice (i32.const 0) (i32.const 0)))
  (func (export "do_blake2_128") (param $at i32) (param $length i32) (result i64) (call $slice (call $blake2_128 (call $slice (local.get $at) (local.get $length))) (i32.const 16)))
  (func (export "do_blake2_256") (param $at i32) (param $length i32) (result i64) (call $slice (call $blake2_256 (call $slice (local.get $at) (local.get $length))) (i32.const 32)))
  (func (export "do_twox_64") (param $at i32) (param $length i32) (result i64) (call $slice (call $twox_64 (call $slice (local.get $at) (local.get $length))) (i32.const 8)))
  (func (export "do_twox_128") (param $at i32) (param $length i32) (result i64) (call $slice (call $twox_128 (call $slice (local.get $at) (local.get $length))) (i32.const 16)))
  (func (export "do_keccak_256") (param $at i32) (param $length i32) (result i64) (call $slice (call $keccak_256 (call $slice (local.get $at) (local.get $length))) (i32.const 32)))
  ;; The input is a signature of 64 bytes, a public key of 32, and the message.
  (func (export "do_sr25519") (param $at i32) (param $length i32) (result i64)
    (call $number (call $sr25519 (local.get $at) (call $slice (i32.add (local.get $at) (i32.const 96)) (i32.sub (local.get $length) (i32.const 96))) (i32.add (local.get $at) (i32.const 64)))))
  (func (export "do_ed25519") (param $at i32) (param $length i32) (result i64)
    (call $number (call $ed25519 (local.get $at) (call $slice (i32.add (local.get $at) (i32.const 96)) (i32.sub (local.get $length) (i32.const 96))) (i32.add (local.get $at) (i32.const 64)))))
  (func (export "do_version_of") (param $at i32) (param $length i32) (result i64) (call $version_of (call $slice (local.get $at) (local.get $length))))
  ;; Logs its input, and stops.
  (func (export "do_stop") (param $at i32) (param $length i32) (result i64)
    (call $log (i32.const 1) (call $slice (i32.const 64) (i32.const 4)) (call $slice (local.get $at) (local.get $length)))
    unreachable)
  (func (export "do_unknown") (param i32 i32) (result i64) (call $unknown) (call $slice (i32.const 0) (i32.const 0)))
  (func (export "do_outside") (param i32 i32) (result i64) (call $slice (i32.const -64) (i32.const 128)))
  (func (export "do_read_outside") (param i32 i32) (result i64) (call $get (call $slice (i32.const -64) (i32.const 128))))
  ;; Takes as many pieces of its input's length as fit.
  (func (export "do_fill") (param $at i32) (param $length i32) (result i64)
    (loop $again (drop (call $malloc (local.get $length))) (br $again))
    (call $slice (i32.const 0) (i32.const 0)))
  ;; Takes and frees a piece of 1 MiB 5,000 times: more than the memory has without reuse.
  (func (export "do_reuse") (param i32 i32) (result i64) (local $i i32)
    (loop $again
      (call $free (call $malloc (i32.const 1048576)))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5000))))
    (call $number (memory.size)))
)
