;; Hands a component that stands beside it 32 MiB of text for ever: the runtime copies that, and no instruction does. The two
;; stand in `beside.wat`, for no component may call one inside of itself.
  (core module $owner (memory (export "memory") 600))
  (core instance $its (instantiate $owner))
  (core func $take (canon lower (func $other) (memory (core memory $its "memory"))))

  (core module $guest
    (import "its" "memory" (memory 600))
    (import "other" "take" (func $take (param i32 i32)))
    (export "memory" (memory 0))
    (global $free (mut i32) (i32.const 1024))
    (data (i32.const 8) "\10\00\00\00\02\00\00\00{}")

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
      (loop $again
        (call $take (i32.const 0x100000) (i32.const 0x2000000))
        (br $again))
      unreachable))

  (core instance $run (instantiate $guest (with "its" (instance $its))
    (with "other" (instance (export "take" (func $take))))))
