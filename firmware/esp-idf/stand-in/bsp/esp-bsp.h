// Stand-in: the declarations of a board's support package that projects with a camera use
// (spec/board.md 7.2).
#pragma once
#define BSP_CAMERA_DEVICE "/dev/video0"
#ifndef ESP_OK
#define ESP_OK 0
#endif
struct bsp_camera_cfg_t;
extern "C" int bsp_camera_start(const bsp_camera_cfg_t* configuration);
