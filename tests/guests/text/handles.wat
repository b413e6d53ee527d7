;; Has resources of its own beside its standard streams, in one table. Which function is `build` is up to the manifest; `say`
;; writes to both streams by the numbers that were remembered.
(component
  (import "wasi:io/error@0.2.0" (instance $errors (export "error" (type (sub resource)))))
  (alias export $errors "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "input-stream" (type (sub resource)))
    (export "output-stream" (type $output (sub resource)))
    (alias outer 1 $error (type $outer-error))
    (export "error" (type $error (eq $outer-error)))
    (type $problem (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $problem)))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $output)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
  (alias export $streams "input-stream" (type $input))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdin@0.2.0" (instance $stdin
    (alias outer 1 $input (type $outer-input))
    (export "input-stream" (type $input (eq $outer-input)))
    (export "get-stdin" (func (result (own $input))))))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output (type $outer-output))
    (export "output-stream" (type $output (eq $outer-output)))
    (export "get-stdout" (func (result (own $output))))))
  (import "wasi:cli/stderr@0.2.0" (instance $stderr
    (alias outer 1 $output (type $outer-output))
    (export "output-stream" (type $output (eq $outer-output)))
    (export "get-stderr" (func (result (own $output))))))

  (type $thing (resource (rep i32)))
  (core func $new (canon resource.new $thing))
  (core func $close (canon resource.drop $thing))
  (core func $get-stdin (canon lower (func $stdin "get-stdin")))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $get-stderr (canon lower (func $stderr "get-stderr")))

  (core module $memory
    (memory (export "memory") 1)
    (data (i32.const 0) "to stdout\n")
    (data (i32.const 16) "to stderr\n"))
  (core instance $memory (instantiate $memory))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
    (memory $memory "memory")))

  (core module $m
    (import "host" "new" (func $new (param i32) (result i32)))
    (import "host" "close" (func $close (param i32)))
    (import "host" "get-stdin" (func $get-stdin (result i32)))
    (import "host" "get-stdout" (func $get-stdout (result i32)))
    (import "host" "get-stderr" (func $get-stderr (result i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32)))
    (global $stdout (mut i32) (i32.const 0))
    (global $stderr (mut i32) (i32.const 0))

    ;; A hundred things, of which the first has this number.
    (func $make-things (result i32)
      (local $first i32) (local $left i32)
      (local.set $first (call $new (i32.const 7)))
      (local.set $left (i32.const 99))
      (loop $more
        (drop (call $new (i32.const 7)))
        (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (local.get $first))

    ;; Closes a hundred things one after another, all but the one with this number.
    (func $close-things (param $number i32) (param $step i32) (param $but i32)
      (local $left i32)
      (local.set $left (i32.const 100))
      (loop $more
        (if (i32.ne (local.get $number) (local.get $but)) (then (call $close (local.get $number))))
        (local.set $number (i32.add (local.get $number) (local.get $step)))
        (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))

    (func $open-streams
      (global.set $stdout (call $get-stdout))
      (drop (call $get-stdin))
      (global.set $stderr (call $get-stderr)))

    ;; The streams get numbers that were closed, the highest first.
    (func (export "close-all")
      (call $close-things (call $make-things) (i32.const 1) (i32.const 0))
      (call $open-streams))

    ;; One in the middle stays; numbers that were closed are given out again from the lowest on.
    (func (export "close-all-but-one")
      (local $first i32)
      (call $open-streams)
      (local.set $first (call $make-things))
      (call $close-things
        (i32.add (local.get $first) (i32.const 99)) (i32.const -1) (i32.add (local.get $first) (i32.const 50))))

    (func (export "say")
      (call $write (global.get $stdout) (i32.const 0) (i32.const 10) (i32.const 64))
      (call $write (global.get $stderr) (i32.const 16) (i32.const 10) (i32.const 64))))
  (core instance $i (instantiate $m (with "host" (instance
    (export "new" (func $new))
    (export "close" (func $close))
    (export "get-stdin" (func $get-stdin))
    (export "get-stdout" (func $get-stdout))
    (export "get-stderr" (func $get-stderr))
    (export "write" (func $write))))))
  (func $close-all (canon lift (core func $i "close-all")))
  (func $close-all-but-one (canon lift (core func $i "close-all-but-one")))
  (func $say (canon lift (core func $i "say")))
  (instance $probe
    (export "close-all" (func $close-all))
    (export "close-all-but-one" (func $close-all-but-one))
    (export "say" (func $say)))
  (export "test:odd/probe" (instance $probe)))
