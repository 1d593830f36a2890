;; A hundred scores whose explanations are one and the same megabyte.
  (core module $guest
    (memory (export "memory") 64)
    (global $free (mut i32) (i32.const 1024))
    (data (i32.const 8) "\10\00\00\00\02\00\00\00{}")
    (data (i32.const 32) "\00\00\00\00\01\00\00\00\00\00\20\00\64\00\00\00")

    ;; Hands out what follows, and never takes anything back: the instance lives for one call.
    (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get $new)))
      (if (i32.gt_u (global.get $free) (i32.const 0x100000)) (then unreachable))
      (local.get $at))

    (func (export "schema") (result i32) (i32.const 8))

    (func (export "judge")
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      ;; Each score is 64 bytes: four of that megabyte as its name, the number 0, an explanation, and `none` else.
      (local $at i32)
      (memory.fill (i32.const 0x100000) (i32.const 120) (i32.const 0x100000))
      (local.set $at (i32.const 0x200000))
      (loop $next
        (i32.store (local.get $at) (i32.const 0x100000))
        (i32.store offset=4 (local.get $at) (i32.const 4))
        (i32.store8 offset=36 (local.get $at) (i32.const 1))
        (i32.store offset=40 (local.get $at) (i32.const 0x100000))
        (i32.store offset=44 (local.get $at) (i32.const 0x100000))
        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (br_if $next (i32.lt_u (local.get $at) (i32.const 0x201900))))
      (i32.const 32)))
