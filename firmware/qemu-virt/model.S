// The model and the pictures as they are on disk, in read-only memory. The runtime reads weights in place and
// wants 16-byte alignment.
    .section .rodata.shrike_model, "a"
    .balign 16
    .globl model_begin, model_end, pictures_begin, pictures_end
model_begin:
    .incbin SHRIKE_MODEL
model_end:
    .balign 16
pictures_begin:
    .incbin SHRIKE_PICTURES
pictures_end:
