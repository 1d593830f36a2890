;; Looks for what an earlier call, its own or another plugin's, left in its memory, table and globals; the score is 1 where
;; there is nothing. Then it fills all of them.
  (core module $guest
    (memory (export "memory") 16)
    (table $table 20000 funcref)
    (global $free (mut i32) (i32.const 1024))
    (global $seen (mut i64) (i64.const 0))
    (elem declare func $self)
    (func $self)
    (data (i32.const 8) "\10\00\00\00\02\00\00\00{}")
    (data (i32.const 32) "\00\00\00\00\01\00\00\00\40\00\00\00\01\00\00\00")
    (data (i32.const 64) "\80\00\00\00\05\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\f0\3f")
    (data (i32.const 128) "score")

    ;; Hands out what follows, and never takes anything back: the instance lives for one call.
    (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get $new)))
      (if (i32.gt_u (global.get $free) (i32.const 0x100000)) (then unreachable))
      (local.get $at))

    (func (export "schema") (result i32) (i32.const 8))

    ;; Bits that are there and should not be.
    (func $found (result i64)
      (local $at i32) (local $bits i64)
      (local.set $bits (global.get $seen))
      (local.set $at (i32.const 0x10000))
      (loop $next
        (local.set $bits (i64.or (local.get $bits) (i64.load (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $next (i32.lt_u (local.get $at) (i32.const 0x4000000))))
      (local.set $at (i32.const 0))
      (loop $next
        (if (i32.eqz (ref.is_null (table.get $table (local.get $at))))
          (then (local.set $bits (i64.const 1))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $at) (i32.const 20000))))
      (local.get $bits))

    (func (export "judge")
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      (drop (memory.grow (i32.const 1008)))
      (if (i64.ne (call $found) (i64.const 0))
        (then (f64.store (i32.const 80) (f64.const 0))))
      (memory.fill (i32.const 0x10000) (i32.const 0xaa) (i32.const 0x3ff0000))
      (table.fill $table (i32.const 0) (ref.func $self) (i32.const 20000))
      (global.set $seen (i64.const 1))
      (i32.const 32)))
