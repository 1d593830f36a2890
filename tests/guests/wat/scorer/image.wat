;; Returns whatever its parameters say: two letters for each byte of the memory that is its result. For the fuzzers, which
;; so hand the host any value that a guest could, and many that are none.
  (core module $guest
    (memory (export "memory") 16)
    (global $free (mut i32) (i32.const 1024))
    (data (i32.const 8) "\10\00\00\00\02\00\00\00{}")

    ;; Hands out what follows, and never takes anything back: the instance lives for one call.
    (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get $new)))
      (if (i32.gt_u (global.get $free) (i32.const 0x80000)) (then unreachable))
      (local.get $at))

    (func (export "schema") (result i32) (i32.const 8))

    (func $half (param $at i32) (result i32)
      (i32.sub (i32.load8_u (local.get $at)) (i32.const 97)))

    (func (export "judge")
      (param $from i32) (param $length i32)
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      (local $to i32)
      (local.set $to (i32.const 0x80000))
      (block $done
        (loop $next
          (br_if $done (i32.lt_s (local.get $length) (i32.const 2)))
          (i32.store8 (local.get $to)
            (i32.or (i32.shl (call $half (local.get $from)) (i32.const 4))
              (call $half (i32.add (local.get $from) (i32.const 1)))))
          (local.set $from (i32.add (local.get $from) (i32.const 2)))
          (local.set $to (i32.add (local.get $to) (i32.const 1)))
          (local.set $length (i32.sub (local.get $length) (i32.const 2)))
          (br $next)))
      (i32.const 0x80000)))
